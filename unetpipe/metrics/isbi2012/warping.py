"""The warping error of the ISBI 2012 challenge: what is left of a disagreement when borders may move.

References
----------
V. Jain et al.: Boundary learning by optimization with topological constraints, CVPR 2010; the
figures are those of Fiji's ``trainableSegmentation.metrics.WarpingError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from unetpipe.metrics.isbi2012.thinning import EIGHT_CONNECTED, FOREGROUND_ARCS, RING, SIMPLE, ring_codes
from unetpipe.metrics.isbi2012.thresholds import THRESHOLDS, ThresholdScores, as_tuple, check_stacks


class Mismatch(IntEnum):
    """What the proposal does to the truth at a pixel that no warping explains."""

    MERGER = 0
    SPLIT = 1
    HOLE_ADDITION = 2
    OBJECT_DELETION = 3
    OBJECT_ADDITION = 4
    HOLE_DELETION = 5


class WarpingScores(NamedTuple):
    """The warping error in its two forms, and what it consists of.

    Attributes
    ----------
    plain : ThresholdScores
        Share of pixels that remain different.
    splits_and_mergers : ThresholdScores
        Share of pixels classed as split or merger. An all-membrane proposal has a perfect 0:
        look at it beside the plain error.
    classes : ndarray
        (thresholds, slices, 6), int: pixels of each :class:`Mismatch`.
    """

    plain: ThresholdScores
    splits_and_mergers: ThresholdScores
    classes: np.ndarray


def warping_error(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> WarpingScores:
    """Return the warping error of a stack at each threshold.

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
    cell, probability = check_stacks(truth, probability)
    tried = as_tuple(thresholds)
    classes = np.zeros((len(tried), len(cell), len(Mismatch)), np.int64)
    for row, threshold in zip(classes, tried, strict=True):
        for counts, cells, cell_probability in zip(row, cell, probability, strict=True):
            warped = warp(cells, cell_probability, threshold)
            counts[:] = np.bincount(classify(warped, cell_probability > threshold)[1], minlength=len(Mismatch))
    pixels = np.prod(cell.shape[1:])
    plain = classes.sum(2) / pixels
    topological = classes[:, :, [Mismatch.SPLIT, Mismatch.MERGER]].sum(2) / pixels
    return WarpingScores(
        plain=ThresholdScores(tried, plain.mean(1), plain, higher_is_better=False),
        splits_and_mergers=ThresholdScores(tried, topological.mean(1), topological, higher_is_better=False),
        classes=classes,
    )


def warp(truth: np.ndarray, probability: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Move the truth's borders towards the proposal's, pixel by simple pixel, the surest first.

    Parameters
    ----------
    truth : ndarray
        (H, W), bool: True in cells.
    probability : ndarray
        (H, W), float: the probability of "cell".
    threshold : float
        A pixel of the proposal is cell if its probability is above it.

    Returns
    -------
    ndarray
        (H, W), bool, of the truth's topology; outside the image is membrane.
    """
    width = truth.shape[1] + 2
    image = np.pad(truth, 1)
    wrong = image ^ np.pad(probability > threshold, 1)
    columns, rows = np.nonzero(wrong.T)  # column by column: equals keep this order
    certainty = np.abs(np.pad(probability.astype(np.float64), 1)[rows, columns] - threshold).astype(np.float32)
    order = np.argsort(-certainty, kind="stable")
    remaining = (rows * width + columns)[order].tolist()
    # flat Python lists: ten times faster than indexing arrays pixel by pixel
    codes, simple = ring_codes(image).ravel().tolist(), SIMPLE.tolist()
    # seen from a neighbour, the pixel lies on the opposite place of the ring
    steps = [(y * width + x, 1 << (bit + 4) % 8) for bit, (y, x) in enumerate(RING)]
    while remaining:
        kept = []
        for pixel in remaining:
            if simple[codes[pixel]]:
                for step, bit in steps:
                    codes[pixel + step] ^= bit
            else:
                kept.append(pixel)
        if len(kept) == len(remaining):
            break
        remaining = kept
    wrong.ravel()[remaining] = False
    return (image ^ wrong)[1:-1, 1:-1]


def classify(warped: np.ndarray, proposal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class each pixel in which the warped truth and the proposal differ.

    Parameters
    ----------
    warped, proposal : ndarray
        (H, W), bool: True in cells.

    Returns
    -------
    pixels : ndarray
        (n, 2), int: rows and columns of the mismatches.
    classes : ndarray
        (n,), int: the :class:`Mismatch` of each.
    """
    pixels = np.argwhere(warped != proposal)
    white = warped[pixels[:, 0], pixels[:, 1]]
    # beyond the border there is no id, not even the background's
    around = _ring(np.pad(ndimage.label(warped)[0], 1, constant_values=-1), pixels)
    ids = _distinct(around)
    lone = np.where(white, Mismatch.OBJECT_DELETION, Mismatch.OBJECT_ADDITION)
    whole = np.where(white, Mismatch.HOLE_ADDITION, Mismatch.HOLE_DELETION)
    parts = np.where(_parts_without(warped, pixels) > 1, Mismatch.SPLIT, Mismatch.HOLE_DELETION)
    two = np.where(white, parts, Mismatch.HOLE_ADDITION)
    many = np.where(white, Mismatch.SPLIT, Mismatch.MERGER)
    classes = np.select([around.max(1, initial=-1) <= 0, ids == 1, ids == 2], [lone, whole, two], many)
    return pixels, classes


def _parts_without(warped: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return into how many parts a cell falls, (n,), when one pixel of it becomes membrane.

    Taking a pixel out parts what its foreground arcs joined, unless the cell joins them elsewhere:
    then it runs around the background between them, which is a background component of its own.
    """
    padded = np.pad(warped, 1)
    background = _ring(ndimage.label(~padded, EIGHT_CONNECTED)[0], pixels)
    background[background == 0] = -1
    around = _distinct(background)
    arcs = FOREGROUND_ARCS[ring_codes(warped)[pixels[:, 0], pixels[:, 1]]]
    return 1 + arcs - np.maximum(around, 1)


def _ring(padded: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the eight neighbours, (n, 8), of pixels given by their place in the unpadded image."""
    return np.stack([padded[1 + pixels[:, 0] + y, 1 + pixels[:, 1] + x] for y, x in RING], axis=1)


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Return how many different values each row has, negative ones not counted."""
    ordered = np.sort(rows, axis=1)
    new = np.diff(ordered, axis=1, prepend=-1) != 0
    return np.count_nonzero(new & (ordered >= 0), axis=1)
