"""Shapes of all cells at once, against scikit-image, which measures them one by one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from label_maps import odd_cells, small_maps
from skimage.measure import regionprops

from unetpipe.io import read_labels
from unetpipe.morphometry.cells import number_labels
from unetpipe.morphometry.shape import SHAPES, measure_shapes

NAMES = [name for name in SHAPES if not name.startswith(("bbox", "centroid", "orientation"))]


def check(labels: np.ndarray) -> None:
    ids, numbered = number_labels(labels)
    shapes = measure_shapes(numbered, len(ids))
    assert tuple(shapes) == SHAPES
    regions = regionprops(numbered)
    assert all(len(values) == len(regions) for values in shapes.values())
    for row, region in enumerate(regions):
        ours = {name: values[row] for name, values in shapes.items()}
        # the square root of a rounding error is 1e-8
        assert [ours[name] for name in NAMES] == pytest.approx([region[name] for name in NAMES], rel=1e-9, abs=1e-7)
        assert [ours["centroid_y"], ours["centroid_x"]] == pytest.approx(region.centroid, rel=1e-12)
        sides = ("top", "left", "bottom", "right")
        assert tuple(ours[f"bbox_{side}"] for side in sides) == region.bbox
        if ours["eccentricity"] > 1e-3:  # a round cell has no orientation
            turned = abs(ours["orientation"] - region.orientation)
            assert min(turned, math.pi - turned) < 1e-6


@given(small_maps)
@settings(max_examples=300)
def test_any_mask(labels: np.ndarray) -> None:
    check(labels)


def test_odd_cells_and_none() -> None:
    check(odd_cells())
    check(np.zeros((4, 5), np.int32))
    check(np.full((4, 5), 65535, np.int32))


def test_a_hull_over_a_bay_and_over_rows_without_pixels() -> None:
    bay = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]])
    assert measure_shapes(bay, 1)["solidity"].tolist() == [8 / 12]
    pieces = np.array([[0, 1], [0, 0], [1, 1]])
    assert measure_shapes(pieces, 1)["solidity"].tolist() == [3 / 5]


@pytest.mark.parametrize("data_set", ["Fluo-C2DL-MSC", "DIC-C2DH-HeLa"])
def test_real_cells(real_data: Path, data_set: str) -> None:
    """Cells with long thin arms, and large ones."""
    folder = real_data / "ctc" / data_set
    for path in sorted((folder / "01_GT" / "SEG").glob("man_seg*.tif"))[:4]:
        check(read_labels(path))
