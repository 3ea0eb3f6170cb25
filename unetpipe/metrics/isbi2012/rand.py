"""The foreground-restricted Rand and information scores of the ISBI 2012 challenge.

References
----------
I. Arganda-Carreras et al.: Crowdsourcing the creation of image segmentation algorithms for
connectomics, Frontiers in Neuroanatomy 9 (2015) 142; the figures are those of Fiji's
``trainableSegmentation.metrics.RandError`` and its later thinned scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from unetpipe.metrics.isbi2012.thinning import thinned_labels
from unetpipe.metrics.isbi2012.thresholds import THRESHOLDS, ThresholdScores, as_tuple, check_stacks, f_scores


class ThinnedScores(NamedTuple):
    """The scores of a proposal whose membrane was thinned, each by threshold; higher is better.

    Attributes
    ----------
    v_rand_mean : ThresholdScores
        Rand F-score of each slice, averaged.
    v_rand_pooled : ThresholdScores
        Rand F-score of the pairs of all slices together.
    v_info : ThresholdScores
        F-score of the information shared with the truth, of each slice, averaged.
    """

    v_rand_mean: ThresholdScores
    v_rand_pooled: ThresholdScores
    v_info: ThresholdScores


class _Contingency(NamedTuple):
    """Pixel counts inside the true cells of one slice."""

    pairs: np.ndarray  # of each true cell with each proposed cell that meet, in one row
    truth: np.ndarray  # of each true cell, with the proposal's background inside it
    proposal: np.ndarray  # of each proposed cell
    background: int  # of the proposal's background, whose pixels are singletons


def rand_error(truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> ThresholdScores:
    """Return 1 − F of the pairs of pixels inside true cells that lie in one cell, pooled over slices.

    Cells are the 4-connected components of each slice; the membrane is not thinned, so a proposal
    whose membranes are merely thicker loses the pairs of the pixels beneath them.

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
    pairs = _rand_pairs(_contingencies(truth, probability, thresholds, lambda cell: ndimage.label(cell)[0]))
    pooled, per_slice = 1 - f_scores(*pairs.sum(2)), 1 - f_scores(*pairs)
    return ThresholdScores(as_tuple(thresholds), pooled, per_slice, higher_is_better=False)


def thinned_scores(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> ThinnedScores:
    """Return V_rand, averaged and pooled, and V_info of the proposal with its membrane thinned.

    The truth is not thinned. Parameters and errors are those of :func:`rand_error`. A perfect
    proposal may score 1 − 1e-16.
    """
    tables = _contingencies(truth, probability, thresholds, thinned_labels)
    pairs = _rand_pairs(tables)
    rand = f_scores(*pairs)
    info = np.array([[_information_f_score(table) for table in row] for row in tables])
    tried = as_tuple(thresholds)
    return ThinnedScores(
        v_rand_mean=ThresholdScores(tried, rand.mean(1), rand, higher_is_better=True),
        v_rand_pooled=ThresholdScores(tried, f_scores(*pairs.sum(2)), rand, higher_is_better=True),
        v_info=ThresholdScores(tried, info.mean(1), info, higher_is_better=True),
    )


def _contingencies(
    truth: np.ndarray,
    probability: np.ndarray,
    thresholds: Sequence[float],
    proposal_labels: Callable[[np.ndarray], np.ndarray],
) -> list[list[_Contingency]]:
    """Return one contingency table for each threshold and slice."""
    cell, probability = check_stacks(truth, probability)
    truths = [ndimage.label(slice_)[0] for slice_ in cell]
    return [
        [
            _contingency(labels, proposal_labels(slice_ > threshold))
            for labels, slice_ in zip(truths, probability, strict=True)
        ]
        for threshold in as_tuple(thresholds)
    ]


def _contingency(truth: np.ndarray, proposal: np.ndarray) -> _Contingency:
    inside = truth > 0
    width = int(proposal.max(initial=0)) + 1
    counts = np.bincount(truth[inside].astype(np.int64) * width + proposal[inside])
    cells = np.flatnonzero(counts)
    proposed = cells % width > 0
    return _Contingency(
        pairs=counts[cells[proposed]],
        truth=np.bincount(cells // width, counts[cells])[1:],
        proposal=np.bincount(cells % width, counts[cells])[1:],
        background=int(counts[cells[~proposed]].sum()),
    )


def _rand_pairs(tables: list[list[_Contingency]]) -> np.ndarray:
    """Return TP, FP and FN of the pairs of pixels: (3, thresholds, slices)."""

    def of(table: _Contingency) -> tuple[float, float, float]:
        tp = float((table.pairs**2).sum() + table.background)
        return tp, float((table.proposal**2).sum()) + table.background - tp, float((table.truth**2).sum()) - tp

    return np.array([[of(table) for table in row] for row in tables]).reshape(len(tables), -1, 3).transpose(2, 0, 1)


def _information_f_score(table: _Contingency) -> float:
    """Return the harmonic mean of the shares of the truth's and of the proposal's entropy that they share."""
    pixels = table.truth.sum()
    if not pixels:
        return 0.0

    def entropy(counts: np.ndarray) -> float:
        share = counts[counts > 0] / pixels
        return -float((share * np.log(share)).sum())

    singletons = table.background / pixels * np.log(pixels)
    of_truth, of_proposal = entropy(table.truth), entropy(table.proposal) + singletons
    mutual = of_truth + of_proposal - entropy(table.pairs) - singletons
    # both shares have the same numerator, so their harmonic mean is twice it over the sum
    return 2 * mutual / (of_truth + of_proposal) if of_truth > 0 and of_proposal > 0 else 0.0
