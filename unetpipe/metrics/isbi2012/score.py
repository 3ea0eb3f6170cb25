"""All measures of the ISBI 2012 challenge at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
