from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from unetpipe.datasets import find_records, measure_records, write_synthetic_ctc
from unetpipe.datasets.synthetic import _draw_cells
from unetpipe.io import read_image, read_labels

CROSS = ndimage.generate_binary_structure(2, 1)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_seed_decides_every_file(tmp_path: Path) -> None:
    arguments = {"sequences": 1, "frames": 2, "shape": (80, 90)}
    first = content(write_synthetic_ctc(tmp_path / "a", **arguments))
    assert content(write_synthetic_ctc(tmp_path / "b", **arguments)) == first
    other = content(write_synthetic_ctc(tmp_path / "c", **arguments, seed=1))
    assert other.keys() == first.keys()
    assert other["01/t000.tif"] != first["01/t000.tif"]
    assert other["01_GT/SEG/man_seg000.tif"] != first["01_GT/SEG/man_seg000.tif"]


def test_more_sequences_leave_the_first_as_it_is(tmp_path: Path, synthetic: Path) -> None:
    alone = content(write_synthetic_ctc(tmp_path, sequences=1, frames=3, shape=(96, 128)))
    both = content(synthetic)
    assert alone == {name: both[name] for name in alone}
    assert both["01/t000.tif"] != both["02/t000.tif"]


def test_layout_is_the_challenges(synthetic: Path) -> None:
    expected = {f"{s}_GT/TRA/man_track.txt" for s in ("01", "02")}
    for sequence in ("01", "02"):
        for frame in ("000", "001", "002"):
            expected |= {
                f"{sequence}/t{frame}.tif",
                f"{sequence}_GT/SEG/man_seg{frame}.tif",
                f"{sequence}_ST/SEG/man_seg{frame}.tif",
                f"{sequence}_GT/TRA/man_track{frame}.tif",
            }
    assert set(content(synthetic)) == expected


def test_images_are_8_bit_of_the_shape_asked_for(synthetic: Path) -> None:
    for record in find_records(synthetic):
        image = read_image(record["image"])
        assert (image.shape, image.dtype) == ((1, 96, 128), np.uint8)


def test_at_least_two_fifths_of_the_cells_touch(synthetic: Path) -> None:
    for record in find_records(synthetic):
        statistics = measure_records([record])
        assert statistics.cells >= 4
        assert statistics.touching >= 0.4


def test_every_cell_is_one_piece(synthetic: Path) -> None:
    for record in find_records(synthetic):
        label = read_labels(record["label"])
        for number in np.unique(label[label > 0]):
            assert ndimage.label(label == number, CROSS)[1] == 1


def test_cell_that_another_cuts_in_two_keeps_one_piece() -> None:
    """A flat cell lies across a tall one and is the deeper of the two in its own rows."""
    flat, tall = (3, 15), (8, 6)
    label, _ = _draw_cells(
        (21, 41), np.full((2, 2), (10, 20)), np.array([flat, tall]), np.zeros(2), np.zeros((2, 21, 41))
    )
    assert label[10].tolist() == [0] * 6 + [1] * 29 + [0] * 6  # 14 pixels to either side of the middle
    assert ndimage.label(label == 2, CROSS)[1] == 1
    assert label[:, 20].tolist() == [0] * 3 + [2] * 7 + [1] + [0] * 10  # one half of the tall cell


def test_cells_are_brighter_than_the_background_near_them(synthetic: Path) -> None:
    for record in find_records(synthetic):
        label, image = read_labels(record["label"]), read_image(record["image"])[0].astype(float)
        near = ndimage.binary_dilation(label > 0, iterations=8) & (label == 0)
        assert image[label > 0].mean() > image[near].mean() + 5


def test_every_cell_has_one_marker_inside_it(synthetic: Path) -> None:
    for record in find_records(synthetic):
        label, markers = read_labels(record["label"]), read_labels(record["markers"])
        assert np.array_equal(markers[markers > 0], label[markers > 0])
        assert np.array_equal(np.unique(markers), np.unique(label))


@pytest.mark.parametrize("sequence", ["01", "02"])
def test_tracks_tell_when_each_cell_is_there(synthetic: Path, sequence: str) -> None:
    """LABEL FIRST LAST PARENT: the cell has a marker in each frame from the first to the last and in no other."""
    folder = synthetic / f"{sequence}_GT" / "TRA"
    frames = [set(np.unique(read_labels(folder / f"man_track{frame:03d}.tif")).tolist()) - {0} for frame in range(3)]
    rows = [tuple(map(int, row.split())) for row in (folder / "man_track.txt").read_text().splitlines()]
    assert [row[0] for row in rows] == sorted(set().union(*frames))
    for cell, first, last, parent in rows:
        assert parent == 0
        assert [frame for frame in range(3) if cell in frames[frame]] == list(range(first, last + 1))


def test_cells_move_a_little_from_frame_to_frame(synthetic: Path) -> None:
    first, second = (read_labels(record["label"]) for record in find_records(synthetic)[:2])
    assert not np.array_equal(first, second)
    assert (first == second).mean() > 0.9
