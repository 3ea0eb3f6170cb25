"""How many pixels the objects of two instance maps share: what every measure of objects starts from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LARGEST_TABLE = 65535


class Overlap(NamedTuple):
    """How many pixels each object of one instance map shares with each object of another.

    Attributes
    ----------
    truth_ids : ndarray
        (n,), int64: the ids in the truth without 0, ascending.
    result_ids : ndarray
        (m,), int64: the ids in the result without 0, ascending.
    counts : ndarray
        (n + 1, m + 1), int64: pixels; row and column 0 are background.
    """

    truth_ids: np.ndarray
    result_ids: np.ndarray
    counts: np.ndarray

    @property
    def ious(self) -> np.ndarray:
        """The IoU of each true object with each result object: (n, m), float64."""
        union = self.counts.sum(1, keepdims=True) + self.counts.sum(0, keepdims=True) - self.counts
        return self.counts[1:, 1:] / union[1:, 1:]


def overlap(truth: np.ndarray, result: np.ndarray) -> Overlap:
    """Count the pixels that objects of two instance maps share.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.

    Raises
    ------
    ValueError
        If they differ in shape or are no integers from 0.
    """
    if truth.shape != result.shape:
        raise ValueError(f"Truth {truth.shape} and result {result.shape} must have one height and width.")
    (truth_ids, rows), (result_ids, columns) = _indexed(truth), _indexed(result)
    shape = (len(truth_ids) + 1, len(result_ids) + 1)
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
    return Overlap(truth_ids, result_ids, counts)


def _indexed(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids without 0, and each pixel's place among them, counted from 1; 0 is background."""
    if labels.dtype.kind not in "biu":
        raise ValueError(f"An instance map holds integer ids, not {labels.dtype}.")
    flat = labels.ravel().astype(np.int64)
    if flat.min(initial=0) < 0:
        raise ValueError(f"An instance map holds ids from 0, not {flat.min()}.")
    if flat.max(initial=0) > LARGEST_TABLE:
        ids, places = np.unique(np.append(flat, 0), return_inverse=True)
        return ids[1:], places[:-1]
    present = np.bincount(flat, minlength=1) > 0
    present[0] = False
    return np.flatnonzero(present), np.where(present, np.cumsum(present), 0)[flat]
