"""The pixel error of the ISBI 2012 challenge, in its two forms.

References
----------
I. Arganda-Carreras et al.: Crowdsourcing the creation of image segmentation algorithms for
connectomics, Frontiers in Neuroanatomy 9 (2015) 142; the figures are those of Fiji's
``trainableSegmentation.metrics.PixelError``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unetpipe.metrics.isbi2012.thresholds import THRESHOLDS, ThresholdScores, as_tuple, check_stacks, f_scores


def pixel_error(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> ThresholdScores:
    """Return 1 − F of the class "cell", its pixels counted over the stack.

    Because the positive class is the frequent one, an all-cell proposal scores about 0.12.

    Parameters
    ----------
    truth : ndarray
        (slices, H, W): cell where above 0, membrane elsewhere.
    probability : ndarray
        (slices, H, W), float, 0 … 1: the probability of "cell".
    thresholds : sequence of float
        A pixel is cell if its probability is above the threshold.

    Raises
    ------
    ValueError
        If the stacks do not fit together.
    """
    tp, fp, fn = _counts(truth, probability, thresholds)
    whole = 1 - f_scores(tp.sum(1), fp.sum(1), fn.sum(1))
    return ThresholdScores(as_tuple(thresholds), whole, 1 - f_scores(tp, fp, fn), higher_is_better=False)


def pixel_distance(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> ThresholdScores:
    """Return the least squared distance: the share of pixels that disagree, averaged over slices.

    Parameters and errors are those of :func:`pixel_error`.
    """
    _, fp, fn = _counts(truth, probability, thresholds)
    share = (fp + fn) / np.prod(np.shape(truth)[1:])
    return ThresholdScores(as_tuple(thresholds), share.mean(1), share, higher_is_better=False)


def _counts(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return TP, FP and FN, each (thresholds, slices)."""
    cell, probability = check_stacks(truth, probability)
    counts = []
    for threshold in as_tuple(thresholds):
        proposed = probability > threshold
        pairs = (cell & proposed, ~cell & proposed, cell & ~proposed)
        counts.append([pair.sum(axis=(1, 2)) for pair in pairs])
    tp, fp, fn = np.array(counts).transpose(1, 0, 2)
    return tp, fp, fn
