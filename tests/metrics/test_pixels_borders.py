from __future__ import annotations

import numpy as np
import pytest

from unetpipe.metrics import border_score
from unetpipe.metrics.pixels import border_scores, borders, sum_borders

TRUTH = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 2, 2]])
KNOWN = np.ones(TRUTH.shape, bool)


def test_lines_are_background_and_where_cells_touch():
    assert borders(np.array([[1, 1, 2], [1, 0, 2]])).tolist() == [[False, True, False], [False, True, False]]
    assert borders(np.array([[1, 2], [3, 3]])).tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize(
    ("result", "tolerance", "precision", "recall"),
    [
        (TRUTH, 0, 1, 1),
        (np.array([[1] * 6 + [0] + [2] * 3]), 0, 0, 0),  # a line two pixels off
        (np.array([[1] * 6 + [0] + [2] * 3]), 2, 1, 1),
        (np.array([[1] * 6 + [0] + [2] * 3]), 1.5, 0, 0),
        (np.zeros((1, 10), int), 2, 0.5, 1),  # all border: 5 of 10 pixels lie within 2
        (np.ones((1, 10), int), 2, 0, 0),  # all cell
    ],
)
def test_by_hand(result: np.ndarray, tolerance: float, precision: float, recall: float):
    score = border_score(TRUTH, result, KNOWN, tolerance)
    assert (score.precision, score.recall) == (precision, recall)
    assert score.dice == pytest.approx(2 * precision * recall / (precision + recall) if precision else 0)


def test_only_the_known_counts():
    known = KNOWN.copy()
    known[:, 6:] = False
    result = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 0, 0]])
    assert border_score(TRUTH, result, known, 0) == (1, 1, 1, 1)


def test_exact_dice_is_that_of_the_two_sets():
    rng = np.random.default_rng(0)
    truth, result = rng.integers(0, 3, (2, 20, 20))
    one, other = borders(truth), borders(result)
    expected = 2 * (one & other).sum() / (one.sum() + other.sum())
    scores = border_scores(truth, result, np.ones(truth.shape, bool))
    assert scores["border_Dice_exact"].dice == pytest.approx(expected)
    assert sum_borders([scores, scores])["border_Dice_exact"].dice == pytest.approx(expected)
    assert sum_borders([]) == {}
