from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from unetpipe.instances import InstanceSettings
from unetpipe.instances.from_probability import connected
from unetpipe.instances.splitting import merge_open_borders

part_maps = hnp.arrays(np.int32, (6, 7), elements=st.integers(0, 6))
probabilities = hnp.arrays(np.float64, (6, 7), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))


def test_the_mean_along_the_border_decides() -> None:
    """Borders of 4 pixels: one pixel leaks between 1 and 2 (mean 0.75), three leak between 2 and 3 (mean 0.25)."""
    parts = np.repeat([[1, 1, 2, 2, 3, 3]], 4, axis=0).astype(np.int32)
    probability = np.ones((4, 6))
    probability[:3, 1] = 0
    probability[3, 3] = 0
    assert merge_open_borders(probability, parts, 0.2).max() == 3
    assert merge_open_borders(probability, parts, 0.5)[0].tolist() == [1, 1, 2, 2, 2, 2]
    assert merge_open_borders(probability, parts, 0.76)[0].tolist() == [1, 1, 1, 1, 1, 1]


def test_borders_are_averaged_anew_after_a_merge() -> None:
    """1 and 3 share one open pixel, 2 and 3 three closed ones: once 1 and 2 are one, their border to 3 is closed."""
    parts = np.array([[1, 3], [2, 3], [2, 3], [2, 3]], np.int32)
    probability = np.array([[1.0, 0.6], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert merge_open_borders(probability, parts, 0.5).tolist() == [[1, 3], [1, 3], [1, 3], [1, 3]]
    apart = np.where(parts == 2, 0, parts)
    assert merge_open_borders(probability, apart, 0.5).tolist()[0] == [1, 1]


@settings(max_examples=150)
@given(parts=part_maps, probability=probabilities)
def test_limits(parts: np.ndarray, probability: np.ndarray) -> None:
    """0 merges nothing; above 1 whatever touches is one cell; background stays; parts stay whole."""
    np.testing.assert_array_equal(merge_open_borders(probability, parts, 0.0), parts)
    for threshold in (0.4, 1.1):
        merged = merge_open_borders(probability, parts, threshold)
        assert ((merged > 0) == (parts > 0)).all()
        assert all(len(np.unique(merged[parts == part])) == 1 for part in np.unique(parts))
    for axis in (0, 1):
        one, other = (np.take(merged, range(start, merged.shape[axis] - 1 + start), axis) for start in (0, 1))
        touching = (one > 0) & (other > 0)
        np.testing.assert_array_equal(one[touching], other[touching])


@settings(max_examples=100)
@given(parts=part_maps, probability=probabilities, threshold=st.sampled_from([0.3, 0.6]))
def test_no_open_border_is_left(parts: np.ndarray, probability: np.ndarray, threshold: float) -> None:
    merged = merge_open_borders(probability, parts, threshold)
    np.testing.assert_array_equal(merge_open_borders(probability, merged, threshold), merged)


def test_a_leak_does_not_join_two_cells_but_a_bulge_stays_with_its_cell() -> None:
    """Two cells, 17 px high, with a membrane between them that is faint along 3 px; the left one has a waist."""
    y, x = np.mgrid[:24, :60]
    probability = np.where(np.abs(y - 12) < 9, 0.95, 0.05)
    membrane = (x >= 38) & (x < 41)
    probability[membrane] = np.where(np.abs(y - 12) > 1, 0.05, 0.6)[membrane]
    probability[(np.abs(x - 18) < 2) & (np.abs(y - 12) > 6)] = 0.05
    leaking = InstanceSettings(threshold=0.3, min_size=20, ridge_refill_radius=0).instances(probability)
    assert leaking.max() == 1
    cells = InstanceSettings(
        threshold=0.3, min_size=20, ridge_refill_radius=0, marker_threshold=0.8, merge_threshold=0.5
    ).instances(probability)
    assert cells.max() == 2
    assert cells[12, 5] == cells[12, 30] != cells[12, 50]


def test_pieces_of_a_cell_get_numbers_of_their_own() -> None:
    assert connected(np.array([[1, 0, 1, 0, 3, 3, 0, 1]], np.int32)).tolist() == [[1, 0, 4, 0, 3, 3, 0, 5]]


@settings(max_examples=100)
@given(parts=part_maps)
def test_every_cell_is_connected_afterwards(parts: np.ndarray) -> None:
    pieces = connected(parts)
    assert ((pieces > 0) == (parts > 0)).all()
    for number in np.unique(pieces[pieces > 0]):
        assert ndimage.label(pieces == number)[1] == 1
        assert len(np.unique(parts[pieces == number])) == 1
