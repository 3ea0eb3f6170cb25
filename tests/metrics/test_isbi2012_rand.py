from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from unetpipe.metrics.isbi2012 import pixel_distance, pixel_error, rand_error, thinned_labels, thinned_scores

stacks = arrays(bool, (2, 5, 6))


def proposed_ids(labels: np.ndarray) -> np.ndarray:
    """Give each background pixel an id of its own."""
    singletons = np.arange(labels.size).reshape(labels.shape) + labels.max() + 1
    return np.where(labels > 0, labels, singletons)


def pairs_by_definition(truth: np.ndarray, labels: np.ndarray) -> tuple[int, int, int]:
    """Count pairs of pixels inside true cells, each with itself too: in one cell in both, in either."""
    inside = truth > 0
    a, b = truth[inside], proposed_ids(labels)[inside]
    same_a, same_b = a[:, None] == a, b[:, None] == b
    return (same_a & same_b).sum(), same_a.sum(), same_b.sum()


def f_score(pairs: np.ndarray) -> float:
    return 2 * pairs[0] / (pairs[1] + pairs[2]) if pairs[1] + pairs[2] else 0.0


@given(stacks, stacks)
def test_rand_error_counts_pairs(truth: np.ndarray, proposal: np.ndarray) -> None:
    pairs = [
        pairs_by_definition(ndimage.label(a)[0], ndimage.label(b)[0]) for a, b in zip(truth, proposal, strict=True)
    ]
    error = rand_error(truth, proposal.astype(float), [0.5])
    assert error.best == pytest.approx(1 - f_score(np.sum(pairs, axis=0)))
    np.testing.assert_allclose(error.per_slice[0], [1 - f_score(slice_) for slice_ in pairs])


@given(stacks, stacks)
def test_thinned_scores_follow_the_definition(truth: np.ndarray, proposal: np.ndarray) -> None:
    scores = thinned_scores(truth, proposal.astype(float), [0.5])
    pairs, infos = [], []
    for a, b in zip(truth, proposal, strict=True):
        labels, thinned = ndimage.label(a)[0], thinned_labels(b)
        pairs.append(pairs_by_definition(labels, thinned))
        infos.append(info_by_definition(labels, thinned))
    assert scores.v_rand_pooled.best == pytest.approx(f_score(np.sum(pairs, axis=0)))
    assert scores.v_rand_mean.best == pytest.approx(np.mean([f_score(slice_) for slice_ in pairs]))
    assert scores.v_info.best == pytest.approx(np.mean(infos), abs=1e-12)


def info_by_definition(truth: np.ndarray, labels: np.ndarray) -> float:
    inside = truth > 0
    a, b = truth[inside], proposed_ids(labels)[inside]

    def entropy(*ids: np.ndarray) -> float:
        _, counts = np.unique(np.stack(ids), axis=1, return_counts=True)
        return -(counts / counts.sum() * np.log(counts / counts.sum())).sum()

    if not len(a) or not entropy(a) or not entropy(b):
        return 0.0
    mutual = entropy(a) + entropy(b) - entropy(a, b)
    precision, recall = mutual / entropy(a), mutual / entropy(b)
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def test_thicker_membrane_costs_rand_error_but_not_the_thinned_scores() -> None:
    truth = np.ones((1, 9, 21), bool)
    truth[:, :, 10] = False
    proposal = truth.copy()
    proposal[:, :, 9:12] = False
    assert rand_error(truth, proposal.astype(float)).best > 0.1
    assert [score.best for score in thinned_scores(truth, proposal.astype(float))] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(
    ("cells", "basins"),
    [
        ("1.2", "102"),
        ("1...2", "11022"),
        ("1..2", "1102"),  # equally far: the left one is queued first
        ("1.2 ... ...", "102 102 102"),  # a dam goes on where there is only a dam to look at
        ("1.2 ... 3.4", "102 000 304"),
        ("... ...", "111 111"),
    ],
)
def test_basins_meet_in_dams_one_pixel_wide(cells: str, basins: str) -> None:
    cell = np.array([[letter != "." for letter in row] for row in cells.split()])
    assert thinned_labels(cell).tolist() == [[int(digit) for digit in row] for row in basins.split()]


@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_thinning_keeps_the_cells_and_floods_the_rest(cell: np.ndarray) -> None:
    labels, thinned = ndimage.label(cell)[0], thinned_labels(cell)
    if not cell.any():
        assert (thinned == 1).all()
        return
    np.testing.assert_array_equal(thinned[cell], labels[cell])
    for basin in range(1, labels.max() + 1):
        assert ndimage.label(thinned == basin)[1] == 1
    for row, column in np.argwhere(thinned == 0):  # a dam parts something: not all around it is one basin
        around = [
            thinned[y, x] for y, x in neighbours(row, column) if 0 <= y < cell.shape[0] and 0 <= x < cell.shape[1]
        ]
        assert len(set(around)) > 1 or around[0] == 0


def neighbours(row: int, column: int) -> list[tuple[int, int]]:
    return [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]


def test_pixel_error_counts_cells() -> None:
    truth = np.zeros((2, 2, 4), bool)
    truth[:, :, :3] = True
    proposal = np.ones(truth.shape)
    proposal[0, 0, 0] = 0.3
    assert pixel_error(truth, proposal).best == pytest.approx(1 - 2 * 12 / (2 * 12 + 4))
    error = pixel_error(truth, proposal, [0.5])
    assert error.best == pytest.approx(1 - 2 * 11 / (2 * 11 + 4 + 1))
    distance = pixel_distance(truth, proposal, [0.1, 0.5])
    np.testing.assert_allclose(distance.per_slice, [[2 / 8, 2 / 8], [3 / 8, 2 / 8]])
    assert (distance.best, distance.best_threshold) == (0.25, 0.1)


def test_threshold_is_compared_as_the_challenge_does() -> None:
    # 51 / 255 as float32, widened to double, lies above 0.2
    for probability in (np.full((1, 1, 1), 51 / 255), np.full((1, 1, 1), 51, np.float32) / np.float32(255)):
        assert pixel_error(np.ones((1, 1, 1)), probability, [0.2]).best == 0
        assert pixel_error(np.ones((1, 1, 1)), probability, [0.30000000000000004]).best == 1
