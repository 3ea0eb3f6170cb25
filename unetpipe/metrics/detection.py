"""Objects found at an IoU threshold: precision, recall, F1, and the mean precision of the Data Science Bowl 2018.

A true object and a result object are a pair if their IoU is *above* the threshold. Thresholds start at 0.5: above an
IoU of 0.5 no object can belong to two pairs, so the pairs are unique. At exactly 0.5 it could, so 0.5 is not enough for
a pair.

References
----------
J. C. Caicedo et al.: Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl,
Nature Methods 16 (2019). Its measure is the mean over IoU thresholds of TP / (TP + FP + FN), for each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unetpipe.metrics.matching import SharedPixels, overlap
from unetpipe.metrics.pixels import share

# k / 20, not steps of 0.05: rounding in the steps would let an IoU of exactly 0.55 pass as above 0.55
MEAN_PRECISION_THRESHOLDS = tuple(k / 20 for k in range(10, 20))


class DetectionScore(NamedTuple):
    """Objects found at one IoU threshold: true positives, false positives and false negatives."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """TP / (TP + FP): share of the result's objects that are true; 1 if there is no object in truth and result."""
        return share(self.tp, self.tp + self.fp, empty=not self.fn)

    @property
    def recall(self) -> float:
        """TP / (TP + FN): share of the true objects that were found; 1 if there is no object in truth and result."""
        return share(self.tp, self.tp + self.fn, empty=not self.fp)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN): harmonic mean of precision and recall; 1 if there is nothing to count."""
        return share(2 * self.tp, 2 * self.tp + self.fp + self.fn, empty=True)

    @property
    def jaccard(self) -> float:
        """TP / (TP + FP + FN), which the Data Science Bowl 2018 calls precision; 1 if there is nothing to count."""
        return share(self.tp, self.tp + self.fp + self.fn, empty=True)


def detection_score(truth: np.ndarray, result: np.ndarray, threshold: float = 0.5) -> DetectionScore:
    """Count the objects that were found: a pair whose IoU is above the threshold.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    threshold : float
        0.5 to 1.

    Raises
    ------
    ValueError
        If the threshold is below 0.5 or above 1, or the maps differ in shape or hold anything but integers from 0.

    Examples
    --------
    Object 7 meets cell 1 with an IoU of 3/4; object 8 meets no cell, and cell 2 is missed.

    >>> score = detection_score(np.array([[1, 1, 1, 1, 0, 2]]), np.array([[7, 7, 7, 0, 8, 0]]))
    >>> score
    DetectionScore(tp=1, fp=1, fn=1)
    >>> score.precision, score.recall, score.f1
    (0.5, 0.5, 0.5)
    """
    return _at_threshold(overlap(truth, result), threshold)


def mean_precision(
    truth: np.ndarray, result: np.ndarray, thresholds: Sequence[float] = MEAN_PRECISION_THRESHOLDS
) -> float:
    """Return the mean over IoU thresholds (0.5, 0.55 … 0.95) of TP / (TP + FP + FN), of one image.

    Parameters and errors are those of :func:`detection_score`. The figure of a data set is the mean over its images.

    Examples
    --------
    An IoU of 3/4 is above five of the ten thresholds: 0.5, 0.55, 0.6, 0.65 and 0.7.

    >>> mean_precision(np.array([[1, 1, 1, 1]]), np.array([[7, 7, 7, 0]]))
    0.5
    """
    found = overlap(truth, result)
    return float(np.mean([_at_threshold(found, threshold).jaccard for threshold in thresholds]))


def _at_threshold(found: tuple[np.ndarray, np.ndarray, SharedPixels], threshold: float) -> DetectionScore:
    if not 0.5 <= threshold <= 1:
        raise ValueError(f"threshold must be between 0.5 and 1, got {threshold}; below 0.5 pairs are not unique.")
    truth_ids, result_ids, shared = found
    tp = int(np.count_nonzero(shared.ious > threshold))
    return DetectionScore(tp, len(result_ids) - tp, len(truth_ids) - tp)
