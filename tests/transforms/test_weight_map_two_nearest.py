from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from unetpipe.transforms.weight_map import two_nearest_distances


def test_three_cells_in_a_row() -> None:
    nearest, second = two_nearest_distances(np.array([[0, 5, 0, 0, 2, 2, 9]]), reach=3)
    np.testing.assert_array_equal(nearest, [[1, 0, 1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(second, [[np.inf, 3, 2, 2, 2, 1, 1]])  # the first pixel's is 4 away


def test_a_cell_between_hides_nothing() -> None:
    """The second nearest of the corner lies in a column whose nearest cell is another one."""
    cells = np.array([[0, 0, 0], [0, 1, 0], [0, 2, 0]])
    nearest, second = two_nearest_distances(cells, reach=9)
    assert nearest[0, 0] == pytest.approx(2**0.5)
    assert second[0, 0] == pytest.approx(5**0.5)


@given(
    cells=arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=17), elements=st.integers(-4, 5)),
    reach=st.sampled_from([1, 2, 5, 31, 150]),
    offset=st.sampled_from([0, 70000]),
)
def test_equals_one_distance_transform_for_each_cell(cells: np.ndarray, reach: int, offset: int) -> None:
    """Also beyond 16 bits, in the distances and in the numbers."""
    cells = np.where(cells > 0, cells + offset, 0)
    numbers = [number for number in np.unique(cells) if number]
    distances = [ndimage.distance_transform_edt(cells != number) for number in numbers]
    expected = np.sort([*distances, *np.full((2, *cells.shape), np.inf)], axis=0)[:2]
    found = np.stack(two_nearest_distances(cells, reach))
    within = expected.sum(0) <= reach
    np.testing.assert_allclose(found[:, within], expected[:, within], rtol=1e-6)
    assert (found.sum(0) > reach)[~within].all()
