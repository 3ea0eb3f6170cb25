"""Components of each value of a mask, and the pieces of cells, numbered as one value after the other would be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unetpipe.datasets import components
from unetpipe.datasets.masks import check_numbered
from unetpipe.errors import InputError
from unetpipe.instances.from_probability import connected


def one_value_after_the_other(labels: np.ndarray) -> np.ndarray:
    numbered, count = np.zeros(labels.shape, np.int32), 0
    for value in np.unique(labels[labels != 0]):
        parts, number = ndimage.label(labels == value)
        numbered = np.where(parts > 0, parts + count, numbered)
        count += number
    return numbered


def one_cell_after_the_other(cells: np.ndarray) -> np.ndarray:
    pieces, count = cells.copy(), int(cells.max(initial=0))
    for cell in np.unique(cells[cells != 0]):
        own, found = ndimage.label(cells == cell)
        pieces[own > 1] = own[own > 1] + count - 1
        count += found - 1
    return pieces


@pytest.mark.parametrize("values", [1, 2, 5, 200])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_components_of_random_arrays(values: int, dtype: type) -> None:
    random = np.random.default_rng(values)
    for grain in (1, 3):
        small = random.integers(0, values + 1, (17, 23)).astype(dtype)
        labels = np.kron(small, np.ones((grain, grain + 1), dtype))
        found = components(labels)
        assert found.dtype == np.int32
        assert np.array_equal(found, one_value_after_the_other(labels))
        cells = labels.astype(np.int32)
        assert np.array_equal(connected(cells), one_cell_after_the_other(cells))


@pytest.mark.parametrize("labels", [np.zeros((4, 5), np.int32), np.ones((4, 5), np.int32), np.eye(4, dtype=bool)])
def test_components_of_few_values(labels: np.ndarray) -> None:
    assert np.array_equal(components(labels), one_value_after_the_other(labels))


@pytest.mark.parametrize("value", [1, 255, 65535])
def test_a_mask_of_one_value_in_several_pieces_numbers_no_cells(value: int):
    pieces = np.zeros((5, 9), np.int32)
    pieces[1:3, [0, 4, 8]] = value
    with pytest.raises(InputError, match=f"a.tif holds only 0 and {value}, in 3 pieces"):
        check_numbered(pieces, "a.tif")
    check_numbered(pieces[:, 2:6], "a.tif")
    check_numbered(np.where(pieces > 0, 7, 0), "a.tif")
