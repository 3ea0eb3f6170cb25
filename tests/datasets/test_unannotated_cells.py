"""Cells that gold truth leaves out are unknown as far as they reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk
from skimage.filters import gaussian, threshold_otsu

from unetpipe.datasets import find_records, read_truth
from unetpipe.datasets.unannotated_cells import CellSizes, known_pixels, unannotated
from unetpipe.io import read_image, read_labels, write_labels

SHAPE = (80, 120)


def discs(*cells: tuple[int, int, int]) -> np.ndarray:
    """Draw discs (y, x, radius), numbered from 1."""
    label = np.zeros(SHAPE, np.int32)
    for number, (y, x, radius) in enumerate(cells, 1):
        label[disk((y, x), radius, shape=SHAPE)] = number
    return label


CELLS = discs((20, 20, 5), (50, 40, 14), (30, 90, 14))
MARKERS = discs((20, 20, 2), (50, 40, 2), (30, 90, 2))
GOLD = np.where(CELLS == 1, 1, 0)  # a small cell; the two large ones are left out


@pytest.mark.parametrize("contrast", [1, -1])
@pytest.mark.parametrize("dim", [1.0, 0.25])
def test_a_cell_is_unknown_as_far_as_the_image_shows_it(contrast: int, dim: float) -> None:
    """Bright or dark, and where one of the cells is so dim that the threshold of the frame misses it."""
    noise = np.random.default_rng(0).normal(0, 2, SHAPE)
    image = 100 + contrast * (np.where(CELLS == 3, 60 * dim, np.where(CELLS > 0, 60, 0)) + noise)
    known = known_pixels(GOLD, MARKERS, image=image, sizes=CellSizes(300, 700))
    left_out = CELLS > 1
    assert known[GOLD > 0].all()
    assert known[left_out].mean() < 0.01
    assert known[~left_out].mean() > 0.97
    assert known_pixels(GOLD, MARKERS)[left_out].mean() > 0.8  # discs of the size of this frame's gold cell


def test_a_region_larger_than_cells_is_no_cell() -> None:
    """Half of the frame is lit: only the discs are unknown."""
    image = np.where(np.arange(SHAPE[1]) < 70, 0.0, 50.0) + np.zeros(SHAPE)
    known = known_pixels(GOLD, MARKERS, image=image, sizes=CellSizes(300, 350))
    assert known.mean() > 0.9
    assert not known[MARKERS > 1].any()


def test_sizes_are_those_of_the_whole_set(tmp_path: Path) -> None:
    for frame, gold in enumerate((CELLS, GOLD)):
        write_labels(tmp_path / f"01_GT/SEG/man_seg{frame:03d}.tif", gold)
        write_labels(tmp_path / f"01_GT/TRA/man_track{frame:03d}.tif", MARKERS)
        write_labels(tmp_path / f"01/t{frame:03d}.tif", np.zeros(SHAPE, int))  # the image shows nothing
    records = find_records(tmp_path)
    assert read_truth(records[0])[1].all()
    unknown = ~read_truth(records[1])[1]
    areas = [(number == CELLS).sum() for number in (1, 2, 3, 1)]  # what is annotated in both frames
    assert unknown.sum() == pytest.approx(2 * np.median(areas), rel=0.05)


def test_markers_less_than_half_in_an_object_are_not_annotated() -> None:
    assert unannotated(GOLD, MARKERS) == [2, 3]
    assert unannotated(np.array([[1, 0, 0, 0]]), np.array([[5, 5, 0, 9]])) == [9]


@pytest.mark.parametrize("name", ["Fluo-N2DH-GOWT1", "Fluo-C2DL-MSC"])
def test_real_left_out_cells_do_not_count_as_ground(name: str, real_data: Path) -> None:
    """At most 3 % of the bright pixels of left-out cells count as ground, and 90 % of the ground stays ground.

    Bright is what is above Otsu's threshold of the smoothed frame: the frames of Fluo-C2DL-MSC are so noisy that a
    quarter of the pixels of the ground is above the threshold of the frame as it is.
    """
    bright_known = bright = ground_known = ground = 0
    for record in find_records(real_data / "ctc" / name, "gold"):
        label, known = read_truth(record)
        markers = read_labels(record["markers"])
        left_out = unannotated(label, markers)
        if not left_out:
            continue
        image = gaussian(read_image(record["image"])[0], 2, preserve_range=True)
        above = image > threshold_otsu(image)
        regions = ndimage.label(above)[0]
        mine = np.unique(regions[np.isin(markers, left_out) & above])
        cells = np.isin(regions, mine[mine > 0]) & (label == 0)
        bright, bright_known = bright + cells.sum(), bright_known + (cells & known).sum()
        raw = read_image(record["image"])[0]
        below = (raw <= threshold_otsu(raw)) & (label == 0)
        ground, ground_known = ground + below.sum(), ground_known + (below & known).sum()
    print(f"{name}: {bright_known / bright:.2%} of the bright pixels known, {ground_known / ground:.2%} of the ground")
    assert bright_known <= 0.03 * bright
    assert ground_known >= 0.9 * ground
