from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from unetpipe.instances import InstanceSettings
from unetpipe.instances.splitting import split_at_markers

probabilities = hnp.arrays(np.float32, (8, 9), elements=st.sampled_from([0.1, 0.45, 0.55, 0.65, 0.85, 0.95]))


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_two_centres_are_cut_in_the_valley_between_them() -> None:
    probability = row(0.6, 0.9, 0.7, 0.6, 0.8, 0.9, 0.6, 0.1)
    result = InstanceSettings(threshold=0.5, ridge_refill_radius=0, marker_threshold=0.85).instances(probability)
    assert result[0, [0, 1, 2]].tolist() == [1, 1, 1]
    assert result[0, [4, 5, 6]].tolist() == [2, 2, 2]
    assert result[0, 7] == 0


def test_a_cell_one_pixel_wide_is_cut_as_in_a_row() -> None:
    probability = row(0.6, 0.9, 0.7, 0.6, 0.8, 0.9, 0.6, 0.1)
    across = InstanceSettings(threshold=0.5, ridge_refill_radius=0, marker_threshold=0.85).instances(probability)
    down = InstanceSettings(threshold=0.5, ridge_refill_radius=0, marker_threshold=0.85).instances(probability.T.copy())
    np.testing.assert_array_equal(down.T, across)


def test_without_markers_they_are_one_cell() -> None:
    probability = row(0.6, 0.9, 0.7, 0.6, 0.8, 0.9, 0.6, 0.1)
    assert InstanceSettings(threshold=0.5, ridge_refill_radius=0).instances(probability).max() == 1


@pytest.mark.parametrize("marker_threshold", [0.3, 0.5])
def test_markers_not_above_the_threshold_cut_nothing(marker_threshold: float) -> None:
    probability = row(0.6, 0.9, 0.7, 0.6, 0.8, 0.9, 0.6, 0.1)
    assert (
        InstanceSettings(threshold=0.5, ridge_refill_radius=0, marker_threshold=marker_threshold)
        .instances(probability)
        .max()
        == 1
    )


def test_a_faint_cell_without_a_centre_stays() -> None:
    result = InstanceSettings(threshold=0.5, ridge_refill_radius=0, marker_threshold=0.8).instances(
        row(0.6, 0.6, 0.1, 0.9, 0.6)
    )
    assert result.tolist() == [[2, 2, 0, 1, 1]] or result.tolist() == [[1, 1, 0, 2, 2]]


def test_centres_smaller_than_min_size_do_not_count() -> None:
    """One centre has 2 pixels, the other 1: only the first is a marker."""
    probability = row(0.6, 0.9, 0.9, 0.6, 0.9, 0.6)
    result = InstanceSettings(threshold=0.5, min_size=2, ridge_refill_radius=0, marker_threshold=0.8).instances(
        probability
    )
    assert result.tolist() == [[1, 1, 1, 1, 1, 1]]


def test_the_flood_does_not_pass_through_background() -> None:
    """The right part meets the left one only through a diagonal; each keeps its own number."""
    probability = np.array([[0.9, 0.6, 0.1], [0.1, 0.1, 0.6], [0.1, 0.1, 0.9]], np.float32)
    result = InstanceSettings(threshold=0.5, ridge_refill_radius=0, marker_threshold=0.8).instances(probability)
    assert result[0, 0] == result[0, 1] != result[1, 2] == result[2, 2]


@settings(max_examples=150)
@given(probability=probabilities, marker_threshold=st.sampled_from([0.6, 0.8, 0.9]))
def test_cells_only_part(probability: np.ndarray, marker_threshold: float) -> None:
    """The mask stays; each new cell lies within one old one; each holds at most one centre; numbers are 1 … n."""
    cells = ndimage.label(probability > 0.5)[0].astype(np.int32)
    centres = ndimage.label(probability > marker_threshold)[0].astype(np.int32)
    result = split_at_markers(probability, cells, centres)
    assert ((result > 0) == (cells > 0)).all()
    assert np.unique(result[result > 0]).tolist() == list(range(1, result.max() + 1))
    for number in range(1, result.max() + 1):
        assert len(np.unique(cells[result == number])) == 1
        inside = centres[result == number]
        assert len(np.unique(inside[inside > 0])) <= 1
    for number in range(1, centres.max() + 1):
        assert len(np.unique(result[centres == number])) == 1


@settings(max_examples=60)
@given(probability=probabilities)
def test_a_component_is_cut_as_if_it_were_alone(probability: np.ndarray) -> None:
    cells = ndimage.label(probability > 0.5)[0].astype(np.int32)
    centres = ndimage.label(probability > 0.8)[0].astype(np.int32)
    whole = split_at_markers(probability, cells, centres)
    for number in range(1, cells.max() + 1):
        inside = cells == number
        alone = split_at_markers(probability, np.where(inside, 1, 0).astype(np.int32), np.where(inside, centres, 0))
        pairs = np.unique(np.stack([whole[inside], alone[inside]]), axis=1)
        assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def test_several_marker_thresholds_cut_one_after_another() -> None:
    """The left pair parts only above 0.6, the right one only above 0.85; the dim pair has no centre above 0.85."""
    probability = row(0.7, 0.55, 0.7, 0.1, 0.9, 0.8, 0.9)
    results = {
        levels: InstanceSettings(ridge_refill_radius=0, marker_threshold=levels).instances(probability).max()
        for levels in (0.6, 0.85, (0.6, 0.85), (0.85, 0.6))
    }
    assert results == {0.6: 3, 0.85: 3, (0.6, 0.85): 4, (0.85, 0.6): 4}


@settings(max_examples=60)
@given(probability=probabilities)
def test_higher_marker_thresholds_only_cut_further(probability: np.ndarray) -> None:
    cells = ndimage.label(probability > 0.5)[0].astype(np.int32)
    coarse, fine = (
        InstanceSettings(marker_threshold=levels).cut(probability, cells) for levels in ((0.6,), (0.6, 0.8, 0.9))
    )
    assert ((fine > 0) == (cells > 0)).all()
    assert np.unique(fine[fine > 0]).tolist() == list(range(1, fine.max() + 1))
    pairs = np.unique(np.stack([fine[cells > 0], coarse[cells > 0]]), axis=1)
    assert pairs.shape[1] == fine.max()  # each part lies in one coarser part
