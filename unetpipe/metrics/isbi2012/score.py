"""All measures of the ISBI 2012 challenge at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unetpipe.metrics.best_threshold import BestThresholdMetric
from unetpipe.metrics.isbi2012.pixel import pixel_distance, pixel_error
from unetpipe.metrics.isbi2012.rand import rand_error, thinned_scores
from unetpipe.metrics.isbi2012.thresholds import THRESHOLDS, ThresholdScores
from unetpipe.metrics.isbi2012.warping import warping_error


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
        If the stacks do not fit together.

    Notes
    -----
    Two figures flatter an empty result: "splits_and_mergers" of an all-membrane proposal is a perfect 0,
    "pixel_error" of an all-cell proposal about 0.12. Read them beside "warping_error".
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

    Membrane is what belongs to no cell; where two cells meet, the pixel above or left of the contact becomes
    membrane as well, so that their 4-connected components are the cells.

    Parameters
    ----------
    instances : ndarray
        (…, H, W), integer: 0 membrane, else the cell's number.

    Returns
    -------
    ndarray
        (…, H, W), float32.
    """
    cell = instances > 0
    for here, there in (
        ((..., slice(None, -1), slice(None)), (..., slice(1, None), slice(None))),
        ((..., slice(None), slice(None, -1)), (..., slice(None), slice(1, None))),
    ):
        cell[here] &= (instances[there] == 0) | (instances[there] == instances[here])
    return cell.astype(np.float32)


def close_membranes(probability: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Return the probability of "cell" with 0 wherever two numbered cells meet.

    So membranes that were found between confident centres, though the network left a gap there, are closed in
    the stack that is handed in.

    Parameters
    ----------
    probability : ndarray
        (…, H, W), float.
    instances : ndarray
        (…, H, W), integer: the cells found in it.
    """
    return np.where((instances > 0) & (proposal_of_cells(instances) == 0), 0, probability).astype(probability.dtype)


class BestThresholdRandMetric(BestThresholdMetric):
    """1 − foreground-restricted Rand error, averaged over the slices, at the best of several thresholds."""

    @staticmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return 1 − the Rand error of one slice, (1,)."""
        return np.array([1 - rand_error(truth[None], proposal_of_cells(cells)[None], (0.5,)).best])
