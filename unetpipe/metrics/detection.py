"""Overlap of masks and of objects: IoU, Dice, precision, recall, F1, and mean precision.

References
----------
The Data Science Bowl 2018 measures the mean over IoU thresholds of TP / (TP + FP + FN).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# k / 20 and not steps of 0.05: an IoU of exactly 0.55 must not pass as above it
MEAN_PRECISION_THRESHOLDS = tuple(k / 20 for k in range(10, 20))
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


@dataclass(frozen=True)
class FrameMatch:
    """Which result object covers more than half of each reference object of a frame.

    Attributes
    ----------
    reference, matched : tuple of int
        Ids of the reference objects, ascending, and of the result object that covers each, 0 for none.
    result : tuple of int
        Ids of the result objects, ascending.
    """

    reference: tuple[int, ...]
    matched: tuple[int, ...]
    result: tuple[int, ...]

    @property
    def missed(self) -> tuple[int, ...]:
        """Reference objects that none covers (FN)."""
        return tuple(cell for cell, found in zip(self.reference, self.matched, strict=True) if not found)

    @property
    def spurious(self) -> tuple[int, ...]:
        """Result objects that cover none (FP)."""
        return tuple(sorted(set(self.result) - set(self.matched)))

    @property
    def merging(self) -> tuple[int, ...]:
        """Result objects that cover several (NS)."""
        return tuple(sorted(found for found, cells in Counter(self.matched).items() if found and cells > 1))


class DetectionScore(NamedTuple):
    """Objects found at one IoU threshold: true positives, false positives and false negatives."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """Share of the result's objects that are true; 1 if there is nothing to find and nothing was found."""
        return _share(self.tp, self.tp + self.fp, empty=not self.fn)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found; 1 if there is nothing to find and nothing was found."""
        return _share(self.tp, self.tp + self.fn, empty=not self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn, empty=True)

    @property
    def jaccard(self) -> float:
        """TP / (TP + FP + FN), which the Data Science Bowl 2018 calls precision."""
        return _share(self.tp, self.tp + self.fp + self.fn, empty=True)


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


def match_frame(reference: np.ndarray, result: np.ndarray) -> FrameMatch:
    """Match the objects of two instance maps, both (H, W), integer, 0 background; ValueError if they do not fit."""
    reference_ids, result_ids, counts = overlap(reference, result)
    # column 0 stays, so that there is a maximum without any result object
    shared = np.where(np.arange(counts.shape[1]) > 0, counts, 0)[1:]
    covered = 2 * shared.max(axis=1) > counts[1:].sum(axis=1)
    matched = np.where(covered, np.append(0, result_ids)[shared.argmax(axis=1)], 0)
    return FrameMatch(tuple(reference_ids.tolist()), tuple(matched.tolist()), tuple(result_ids.tolist()))


def object_ious(truth: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return the IoU of each true object with each result object: (n, m), float64, in the order of their ids."""
    counts = overlap(truth, result).counts
    union = counts.sum(1, keepdims=True) + counts.sum(0, keepdims=True) - counts
    return counts[1:, 1:] / union[1:, 1:]


def detection_score(truth: np.ndarray, result: np.ndarray, threshold: float = 0.5) -> DetectionScore:
    """Count the objects that were found: a pair whose IoU is above the threshold.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    threshold : float
        From 0.5, so that no object can be in two pairs, to 1.

    Raises
    ------
    ValueError
        If the threshold is below 0.5, the maps differ in shape or are no integers from 0.
    """
    return _at_threshold(object_ious(truth, result), threshold)


def mean_precision(
    truth: np.ndarray, result: np.ndarray, thresholds: Sequence[float] = MEAN_PRECISION_THRESHOLDS
) -> float:
    """Return the mean over IoU thresholds (0.5, 0.55 … 0.95) of TP / (TP + FP + FN), of one image.

    Parameters and errors are those of :func:`detection_score`; a data set's figure is the mean over its images.
    """
    ious = object_ious(truth, result)
    return float(np.mean([_at_threshold(ious, threshold).jaccard for threshold in thresholds]))


def mask_iou(truth: np.ndarray, result: np.ndarray) -> float:
    """Return the IoU of two masks of any one shape, nonzero where set; 1 if both are empty."""
    both, either = _mask_counts(truth, result)
    return _share(both, either, empty=True)


def mask_dice(truth: np.ndarray, result: np.ndarray) -> float:
    """Return the Dice coefficient of two masks of any one shape, nonzero where set; 1 if both are empty."""
    both, either = _mask_counts(truth, result)
    return _share(2 * both, both + either, empty=True)


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


def _at_threshold(ious: np.ndarray, threshold: float) -> DetectionScore:
    if not 0.5 <= threshold <= 1:
        raise ValueError(f"The IoU threshold must be 0.5 to 1, not {threshold}; below 0.5 pairs are not unique.")
    tp = int(np.count_nonzero(ious > threshold))
    return DetectionScore(tp, ious.shape[1] - tp, ious.shape[0] - tp)


def _mask_counts(truth: np.ndarray, result: np.ndarray) -> tuple[int, int]:
    if truth.shape != result.shape:
        raise ValueError(f"Truth {truth.shape} and result {result.shape} must have one shape.")
    one, other = truth != 0, result != 0
    return int(np.count_nonzero(one & other)), int(np.count_nonzero(one | other))


def _share(part: int, whole: int, empty: bool) -> float:
    return part / whole if whole else float(empty)
