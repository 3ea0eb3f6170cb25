"""Compute all measures of the ISBI 2012 challenge, and its pixel error.

References
----------
I. Arganda-Carreras et al.: Crowdsourcing the creation of image segmentation algorithms for
connectomics, Frontiers in Neuroanatomy 9 (2015) 142; the pixel errors are those of Fiji's
``trainableSegmentation.metrics.PixelError``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unetpipe.metrics.best_threshold import BestThresholdMetric
from unetpipe.metrics.isbi2012.rand import rand_error, thinned_scores
from unetpipe.metrics.isbi2012.thresholds import THRESHOLDS, ThresholdScores, as_tuple, check_stacks, f_scores
from unetpipe.metrics.isbi2012.warping import warping_error
from unetpipe.metrics.pixels import borders


def isbi2012_scores(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, ThresholdScores]:
    """Return every measure of a stack by name; ``.best`` of each is the challenge's figure.

    Parameters
    ----------
    truth : ndarray
        (slices, H, W): cell where above 0, membrane elsewhere.
    probability : ndarray
        (slices, H, W), float, 0 … 1: the probability of "cell".
    thresholds : sequence of float
        A pixel is cell if its probability is above the threshold.

    Returns
    -------
    dict
        Errors (lower is better): "pixel_error", "pixel_distance", "rand_error", "warping_error",
        "splits_and_mergers"; scores (higher is better): "v_rand_mean", "v_rand_pooled", "v_info".

    Raises
    ------
    ValueError
        If the two arrays differ in shape, are empty or not stacks, or the probability is not float within 0 … 1.

    Notes
    -----
    Two measures flatter an empty result: a proposal of only membrane reaches a perfect 0 of "splits_and_mergers", and
    a proposal of only cell about 0.12 of "pixel_error". Read them together with "warping_error".
    """
    warping = warping_error(truth, probability, thresholds)
    thinned = thinned_scores(truth, probability, thresholds)
    return {
        "pixel_error": pixel_error(truth, probability, thresholds),
        "pixel_distance": pixel_distance(truth, probability, thresholds),
        "rand_error": rand_error(truth, probability, thresholds),
        "warping_error": warping.plain,
        "splits_and_mergers": warping.splits_and_mergers,
        **thinned._asdict(),
    }


def proposal_of_cells(instances: np.ndarray) -> np.ndarray:
    """Return 1 in cells and 0 on membranes, for numbered cells that may touch.

    Where two cells touch, a pixel becomes membrane (:func:`unetpipe.metrics.pixels.borders`), so that the 4-connected
    components are the cells.

    Parameters
    ----------
    instances : ndarray
        (…, H, W), integer: 0 membrane, else the cell's number.

    Returns
    -------
    ndarray
        (…, H, W), float32.
    """
    return (~borders(instances)).astype(np.float32)


def close_membranes(probability: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Return the probability of "cell" with 0 wherever two numbered cells meet.

    This closes the gaps of membranes in the stack: a watershed may have found a membrane where the network has a gap.

    Parameters
    ----------
    probability : ndarray
        (…, H, W), float.
    instances : ndarray
        (…, H, W), integer: the cells found in it.
    """
    return np.where((instances > 0) & borders(instances), 0, probability).astype(probability.dtype)


class BestThresholdRandMetric(BestThresholdMetric):
    """1 − foreground-restricted Rand error, averaged over the slices, at the best of several thresholds."""

    @staticmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return 1 − the Rand error of one slice, (1,)."""
        return np.array([1 - rand_error(truth[None], proposal_of_cells(cells)[None], (0.5,)).best])


def pixel_error(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> ThresholdScores:
    """Return 1 − F, F = 2 TP / (2 TP + FP + FN), where TP, FP and FN count the pixels of "cell" over the stack.

    Because most pixels are cell, a proposal of only cell reaches about 0.12.
    The arguments and errors are those of :func:`isbi2012_scores`.

    Examples
    --------
    Of four cell pixels one is missed: 1 − 6 / 7.

    >>> round(pixel_error(np.array([[[1, 1, 1, 1, 0]]]), np.array([[[1.0, 1, 1, 0, 0]]])).best, 3)
    0.143
    """
    tp, fp, fn = _counts(truth, probability, thresholds)
    whole = 1 - f_scores(tp.sum(1), fp.sum(1), fn.sum(1))
    return ThresholdScores(as_tuple(thresholds), whole, 1 - f_scores(tp, fp, fn), higher_is_better=False)


def pixel_distance(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> ThresholdScores:
    """Return the share of pixels in which truth and proposal differ, averaged over the slices.

    The arguments and errors are those of :func:`isbi2012_scores`.
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
