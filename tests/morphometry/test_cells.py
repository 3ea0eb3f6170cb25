from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from label_maps import all_ids, odd_cells, small_maps
from scipy.ndimage import distance_transform_edt
from skimage.measure import label, regionprops

from unetpipe.errors import InputError
from unetpipe.io import read_image, read_labels
from unetpipe.io.track_tables import Track
from unetpipe.morphometry import LabelledPage, measure_cells
from unetpipe.morphometry.cells import cell_masks

SAME = {
    "id": "label",
    "area": "area",
    "axis_major_length": "axis_major_length",
    "axis_minor_length": "axis_minor_length",
    "orientation": "orientation",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
    "perimeter": "perimeter",
    "intensity_mean_0": "intensity_mean",
    "intensity_min_0": "intensity_min",
    "intensity_max_0": "intensity_max",
}


@pytest.mark.parametrize(
    ("data_set", "frame"), [("DIC-C2DH-HeLa", 0), ("PhC-C2DH-U373", 0), ("Fluo-N2DH-GOWT1", 3), ("Fluo-N2DH-SIM+", 9)]
)
def test_numbers_of_real_cells_are_those_of_scikit_image(real_data: Path, data_set: str, frame: int):
    folder = real_data / "ctc" / data_set
    masks = sorted((folder / "01_ST" / "SEG").glob("man_seg*.tif")) or sorted((folder / "01_GT" / "SEG").glob("*.tif"))
    mask = masks[min(frame, len(masks) - 1)]
    labels, image = read_labels(mask), read_image(folder / "01" / mask.name.replace("man_seg", "t"))
    columns = measure_cells(labels, image)
    regions = regionprops(labels, image[0])
    assert len(regions) == len(columns["id"]) > 0
    for ours, theirs in SAME.items():
        assert columns[ours].tolist() == pytest.approx([region[theirs] for region in regions], rel=1e-9), ours
    centroids = np.column_stack([columns["centroid_y"], columns["centroid_x"]])
    assert centroids == pytest.approx(np.array([region.centroid for region in regions]), rel=1e-9)
    boxes = zip(*(columns[f"bbox_{side}"].tolist() for side in ("top", "left", "bottom", "right")), strict=True)
    assert list(boxes) == [region.bbox for region in regions]


@given(small_maps)
@settings(max_examples=100)
def test_pieces_edges_and_neighbours(labels: np.ndarray):
    labels = np.kron(labels, np.ones((2, 1), np.int32))
    columns = measure_cells(labels)
    for number, cell in enumerate(columns["id"].tolist()):
        mask = labels == cell
        assert columns["pieces"][number] == label(mask, connectivity=1).max()
        edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        assert columns["touches_edge"][number] == edge.any()
        near = np.unique(labels[(distance_transform_edt(~mask) <= 4) & (labels > 0)]).size - 1
        assert columns["neighbours"][number] == near


def test_confidence_tracks_and_micrometres():
    labels = odd_cells()
    probability = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    columns = measure_cells(labels, probability=probability, pixel_size=0.5, tracks=[Track(4, 0, 3, 2), Track(1, 0, 1)])
    rows = {cell: row for row, cell in enumerate(columns["id"].tolist())}
    for cell, row in rows.items():  # a pixel between two cells counts for both
        around = (distance_transform_edt(labels != cell) <= 2) & (labels == 0)
        sure = np.concatenate([probability[labels == cell], 1 - probability[around]])
        assert columns["confidence"][row] == pytest.approx(sure.mean(dtype=float))
    assert (columns["track"][rows[4]], columns["parent"][rows[4]], columns["parent"][rows[1]]) == (4, 2, 0)
    assert columns["area_um2"][rows[3]] == 80 * 0.25
    assert columns["perimeter_um"][rows[3]] == columns["perimeter"][rows[3]] / 2
    assert columns["pieces"][[rows[1], rows[4], rows[6], rows[7]]].tolist() == [1, 2, 2, 2]
    assert not measure_cells(labels).keys() & {"confidence", "track", "area_um2", "intensity_mean_0"}


def test_a_vague_border_lowers_the_confidence():
    labels = np.pad(np.ones((8, 8), np.int32), 6)
    sharp = labels.astype(np.float32)
    vague = np.where(labels > 0, sharp, 0.45).astype(np.float32)
    confidences = [measure_cells(labels, probability=probability)["confidence"][0] for probability in (sharp, vague)]
    assert confidences[0] == 1
    assert confidences[1] < 0.8


def test_one_pixel():
    columns = measure_cells(np.array([[0, 0], [0, 7]]))
    assert columns["area"].tolist() == [1]
    assert columns["solidity"].tolist() == [1]
    assert columns["axis_major_length"].tolist() == [0]


def test_channels_are_measured_one_by_one():
    labels = np.array([[1, 1, 2]])
    image = np.array([[[0, 10, 3]], [[200, 100, 7]]], np.uint8)
    columns = measure_cells(labels, image)
    assert columns["intensity_mean_0"].tolist() == [5, 3]
    assert columns["intensity_max_1"].tolist() == [200, 7]


def test_no_cell():
    columns = measure_cells(np.zeros((5, 6), np.uint16), np.zeros((5, 6)), np.zeros((5, 6)), 1.0)
    assert {len(values) for values in columns.values()} == {0}


def test_all_ids_of_16_bits():
    labels = all_ids()
    columns = measure_cells(labels[:64])  # a quarter, for the time
    assert columns["id"].tolist() == list(range(1, 64 * 256))
    assert set(columns["area"].tolist()) == {1, 2}
    assert measure_cells(labels[-2:])["id"][-1] == 65535


def test_high_ids_are_measured_as_low_ones():
    labels = odd_cells()
    high = np.where(labels > 0, labels.astype(np.int64) + 2_000_000_000, 0)
    tracemalloc.start()
    try:
        columns, others = measure_cells(high), measure_cells(labels)
        assert tracemalloc.get_traced_memory()[1] < 50e6  # bytes; a table up to the highest id takes 8e9
    finally:
        tracemalloc.stop()
    assert np.array_equal(columns.pop("id"), others.pop("id") + 2_000_000_000)
    assert all(np.array_equal(columns[name], others[name]) for name in others)


def test_masks_of_cells_are_placed_in_the_page():
    labels = odd_cells()
    (cutout,) = LabelledPage.in_memory(labels).cutouts()
    whole = np.zeros_like(labels)
    for cell, top, left, mask in cell_masks(cutout):
        whole[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = cell
    assert np.array_equal(whole, labels)


def test_an_image_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"The image of a.tif is 4×5 pixels .*, its mask is 5×4"):
        LabelledPage.in_memory(np.zeros((5, 4), int), "a.tif", pixels=np.zeros((4, 5)))
