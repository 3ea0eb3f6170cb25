from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from unetpipe.instances import contact_zone, cut_ridge, refill_ridge

label_maps = hnp.arrays(
    np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 0, 1, 7, 65535])
)
radii = st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.3, 3.0])


def draw(picture: str) -> np.ndarray:
    """Read a label map from digits; a dot is background."""
    return np.array([[0 if c == "." else int(c) for c in line] for line in picture.split()], np.int32)


def distances(instances: np.ndarray, row: int, column: int) -> dict[int, float]:
    """Return the distance from a pixel to each cell, pixel by pixel."""
    found: dict[int, float] = {}
    for (y, x), number in np.ndenumerate(instances):
        if number:
            found[int(number)] = min(found.get(int(number), np.inf), float(np.hypot(y - row, x - column)))
    return found


@settings(max_examples=60)
@given(instances=label_maps, radius=radii)
def test_contact_zone_is_where_two_cells_are_near(instances: np.ndarray, radius: float) -> None:
    zone = contact_zone(instances, radius)
    assert zone.dtype == bool
    for (y, x), inside in np.ndenumerate(zone):
        near = sum(distance <= radius for distance in distances(instances, y, x).values())
        assert inside == (near >= 2)


@settings(max_examples=60)
@given(instances=label_maps, radius=st.one_of(st.just(0.0), radii))
def test_cut_only_removes_and_leaves_cells_apart(instances: np.ndarray, radius: float) -> None:
    before = instances.copy()
    result = cut_ridge(instances, radius)
    np.testing.assert_array_equal(instances, before)
    assert result.dtype == instances.dtype
    assert np.isin(result[result != instances], 0).all()
    for (y, x), number in np.ndenumerate(result):
        others = [distance for other, distance in distances(instances, y, x).items() if other != instances[y, x]]
        if instances[y, x]:
            assert (number == 0) == (radius > 0 and min(others, default=np.inf) <= radius)


@settings(max_examples=60)
@given(instances=label_maps, radius=st.one_of(st.just(0.0), radii))
def test_refilling_the_ridge_gives_what_lies_between_two_cells_to_the_nearest(
    instances: np.ndarray, radius: float
) -> None:
    before = instances.copy()
    result = refill_ridge(instances, radius)
    np.testing.assert_array_equal(instances, before)
    assert result.dtype == instances.dtype
    np.testing.assert_array_equal(result[instances > 0], instances[instances > 0])
    for y, x in np.argwhere(instances == 0):
        far = distances(instances, y, x)
        if radius > 0 and sum(distance <= radius for distance in far.values()) >= 2:
            assert far[int(result[y, x])] == min(far.values())
        else:  # open background, or on the way from the ridge to the only cell that is near
            assert result[y, x] == 0 or far[int(result[y, x])] == min(far.values()) <= radius


def pieces(instances: np.ndarray) -> dict[int, int]:
    """Return the number of 4-connected pieces of each cell."""
    return {number: ndimage.label(instances == number)[1] for number in np.unique(instances[instances > 0]).tolist()}


@settings(max_examples=200)
@given(instances=label_maps, radius=radii)
def test_refilling_the_ridge_leaves_no_cell_in_more_pieces(instances: np.ndarray, radius: float) -> None:
    before, after = pieces(instances), pieces(refill_ridge(instances, radius))
    assert all(after[number] <= before[number] for number in before)


def test_cut_takes_one_pixel_from_each_cell_at_radius_1() -> None:
    np.testing.assert_array_equal(
        cut_ridge(draw("11122 11122 33322 33322"), radius=1),
        draw("11..2 ....2 ....2 33..2"),
    )


def test_cut_leaves_cells_that_do_not_touch() -> None:
    apart = draw("11.22 1..22 ..... 3333.")
    np.testing.assert_array_equal(cut_ridge(apart, radius=1), apart)


def test_cells_that_meet_at_a_corner_are_cut_from_radius_1_5() -> None:
    corner = draw("11.. 11.. ..22 ..22")
    np.testing.assert_array_equal(cut_ridge(corner, radius=1), corner)
    np.testing.assert_array_equal(cut_ridge(corner, radius=1.5), draw("11.. 1... ...2 ..22"))


def test_refilling_the_ridge_fills_the_gap_and_leaves_the_outer_outline() -> None:
    filled = refill_ridge(draw("..... 11.22 11.22 ....."), radius=1)
    assert set(filled[1:3, 2].tolist()) <= {1, 2}  # equally near
    filled[1:3, 2] = 0
    np.testing.assert_array_equal(filled, draw("..... 11.22 11.22 ....."))


def test_refilling_the_ridge_shares_a_gap_of_two() -> None:
    np.testing.assert_array_equal(refill_ridge(draw("11..22 11..22"), radius=2), draw("111222 111222"))


def test_refilling_the_ridge_does_not_bridge_a_gap_wider_than_the_radius() -> None:
    wide = draw("11...22 11...22")  # from the middle 2 to both, beside a cell 1 and 3
    np.testing.assert_array_equal(refill_ridge(wide, radius=1.9), wide)
    np.testing.assert_array_equal(refill_ridge(wide, radius=2), draw("1111.22 1111.22"))  # with the way to the middle


def test_notch_of_a_single_cell_is_not_filled() -> None:
    notch = draw("11111 1...1 1.... 11111")
    np.testing.assert_array_equal(refill_ridge(notch, radius=3), notch)


def test_cutting_and_refilling_restore_two_straight_cells() -> None:
    cells = draw("111222 111222 111222")
    np.testing.assert_array_equal(refill_ridge(cut_ridge(cells, 1), 2), cells)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_id_65535_is_a_cell(dtype: type) -> None:
    touching = np.array([[65535, 65535, 1, 1]], dtype)
    np.testing.assert_array_equal(cut_ridge(touching, 1), np.array([[65535, 0, 0, 1]], dtype))
    np.testing.assert_array_equal(refill_ridge(cut_ridge(touching, 1), 2), touching)
    assert cut_ridge(touching, 1).dtype == dtype


def test_empty_map_stays_empty() -> None:
    empty = np.zeros((3, 4), np.int32)
    assert not cut_ridge(empty, 2).any()
    assert not refill_ridge(empty, 2).any()
    assert not contact_zone(empty, 2).any()
