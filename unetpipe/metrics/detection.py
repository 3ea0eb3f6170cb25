"""Objects found at an IoU threshold: precision, recall, F1, and the mean precision of the Data Science Bowl 2018.

A true object and a result object are a pair if their IoU is *above* the threshold. From 0.5 on no
object can be in two pairs, so that nothing has to be assigned; at an IoU of exactly 0.5, where two
pairs could share an object, there is none.

References
----------
J. C. Caicedo et al.: Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl,
Nature Methods 16 (2019): the mean over IoU thresholds of TP / (TP + FP + FN), for each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unetpipe.metrics.matching import overlap
from unetpipe.metrics.pixels import share

# k / 20 and not steps of 0.05: an IoU of exactly 0.55 must not pass as above it
MEAN_PRECISION_THRESHOLDS = tuple(k / 20 for k in range(10, 20))


class DetectionScore(NamedTuple):
    """Objects found at one IoU threshold: true positives, false positives and false negatives."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """Share of the result's objects that are true; 1 if there is nothing to find and nothing was found."""
        return share(self.tp, self.tp + self.fp, empty=not self.fn)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found; 1 if there is nothing to find and nothing was found."""
        return share(self.tp, self.tp + self.fn, empty=not self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return share(2 * self.tp, 2 * self.tp + self.fp + self.fn, empty=True)

    @property
    def jaccard(self) -> float:
        """TP / (TP + FP + FN), which the Data Science Bowl 2018 calls precision."""
        return share(self.tp, self.tp + self.fp + self.fn, empty=True)


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
    return _at_threshold(overlap(truth, result).ious, threshold)


def mean_precision(
    truth: np.ndarray, result: np.ndarray, thresholds: Sequence[float] = MEAN_PRECISION_THRESHOLDS
) -> float:
    """Return the mean over IoU thresholds (0.5, 0.55 … 0.95) of TP / (TP + FP + FN), of one image.

    Parameters and errors are those of :func:`detection_score`; a data set's figure is the mean over its images.
    """
    ious = overlap(truth, result).ious
    return float(np.mean([_at_threshold(ious, threshold).jaccard for threshold in thresholds]))


def _at_threshold(ious: np.ndarray, threshold: float) -> DetectionScore:
    if not 0.5 <= threshold <= 1:
        raise ValueError(f"The IoU threshold must be 0.5 to 1, not {threshold}; below 0.5 pairs are not unique.")
    tp = int(np.count_nonzero(ious > threshold))
    return DetectionScore(tp, ious.shape[1] - tp, ious.shape[0] - tp)
