"""The confidence of each cell, inside and at its border, whatever number the cell is given later."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unetpipe.morphometry.cells import mean_certainty, number_labels


def cell_confidences(labels: np.ndarray, probability: np.ndarray) -> list[float]:
    """Return the confidence of each cell, in the order of their first pixels, row by row.

    This order stays the same when cells are given other ids, such as those of tracks. The confidence is that of
    :func:`unetpipe.morphometry.cells.mean_certainty`.

    Parameters
    ----------
    labels : ndarray
        (H, W), integer: 0 background, else the cell's id.
    probability : ndarray
        (H, W), 0 … 1.

    Examples
    --------
    >>> cell_confidences(np.array([[0, 7, 7, 2]]), np.array([[0.1, 0.6, 0.9, 0.95]]))
    [0.8, 0.95]
    """
    _, numbered = number_labels(labels)
    means = mean_certainty(numbered, probability, numbered == 0)
    return [round(float(means[number - 1]), 6) for number in _by_first_pixel(numbered)]


def confidence_by_id(labels: np.ndarray, confidences: Sequence[float] | None) -> dict[int, float] | None:
    """Return the confidence of each id from :func:`cell_confidences`; None if it is not of as many cells."""
    ids, numbered = number_labels(labels)
    if confidences is None or len(confidences) != len(ids):
        return None
    return dict(zip(ids[_by_first_pixel(numbered) - 1].tolist(), confidences, strict=True))


def _by_first_pixel(numbered: np.ndarray) -> np.ndarray:
    """Return the numbers 1 … n in the order of their first pixels."""
    first = np.zeros(int(numbered.max(initial=0)) + 1, np.int64)
    first[numbered.ravel()[::-1]] = np.arange(numbered.size)[::-1]  # of several values, the last stays
    return np.argsort(first[1:], kind="stable") + 1
