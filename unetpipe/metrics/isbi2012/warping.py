"""Compute the warping error of the ISBI 2012 challenge: what remains of a disagreement when borders may move.

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

from unetpipe.metrics.isbi2012.thresholds import THRESHOLDS, ThresholdScores, as_tuple, check_stacks

# (row, column) steps to the eight neighbours, clockwise from above; those at even places are the 4-neighbours
RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
EIGHT_CONNECTED = np.ones((3, 3), bool)


def ring_codes(image: np.ndarray) -> np.ndarray:
    """Return the 8 neighbours of each pixel of (H, W), bool, as the bits of a byte; outside is background."""
    padded = np.pad(image, 1).astype(np.uint8)
    height, width = image.shape
    codes = np.zeros(image.shape, np.uint8)
    for bit, (y, x) in enumerate(RING):
        codes |= padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] << bit
    return codes


def _count_arcs(code: int) -> tuple[int, int]:
    """Count a ring's foreground 4-components that touch the 4-neighbours, and its background 8-components."""
    ring = np.zeros((3, 3), bool)
    for bit, (y, x) in enumerate(RING):
        ring[1 + y, 1 + x] = code >> bit & 1
    foreground, _ = ndimage.label(ring)
    touching = {int(foreground[1 + y, 1 + x]) for y, x in RING[::2]} - {0}
    ring[1, 1] = True  # the centre belongs to neither
    return len(touching), int(ndimage.label(~ring, EIGHT_CONNECTED)[1])


FOREGROUND_ARCS, BACKGROUND_ARCS = np.array([_count_arcs(code) for code in range(256)]).T
SIMPLE = (FOREGROUND_ARCS == 1) & (BACKGROUND_ARCS == 1)


class Mismatch(IntEnum):
    """What the proposal does to the truth at a pixel where no warping makes the two equal."""

    MERGER = 0
    SPLIT = 1
    HOLE_ADDITION = 2
    OBJECT_DELETION = 3
    OBJECT_ADDITION = 4
    HOLE_DELETION = 5


class WarpingScores(NamedTuple):
    """The warping error in its two forms, and the number of pixels of each kind.

    Attributes
    ----------
    plain : ThresholdScores
        Share of pixels that remain different.
    splits_and_mergers : ThresholdScores
        Share of pixels that are a split or a merger. A proposal of only membrane reaches a perfect 0, so read it
        together with the plain error.
    classes : ndarray
        (thresholds, slices, 6), int: pixels of each :class:`Mismatch`.
    """

    plain: ThresholdScores
    splits_and_mergers: ThresholdScores
    classes: np.ndarray


def warping_error(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> WarpingScores:
    """Return the warping error of a stack at each threshold: the share of pixels that warping leaves different.

    The arguments and errors are those of :func:`unetpipe.metrics.isbi2012.isbi2012_scores`.

    Examples
    --------
    A border that moves by one pixel costs nothing; one pixel that joins two cells is a merger.

    >>> truth = np.array([[[1, 1, 1, 0, 1, 1]] * 3])
    >>> moved = np.array([[[1.0, 1, 0, 1, 1, 1]] * 3])
    >>> joined = truth.astype(float)
    >>> joined[0, 1, 3] = 1
    >>> warping_error(truth, moved).plain.best, warping_error(truth, joined).plain.best * truth.size
    (0.0, 1.0)
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
    """Move the truth's borders towards those of the proposal without changing the truth's topology.

    Only simple pixels are flipped: those that neither split, merge, create nor delete a cell or hole. The pixels
    whose probability is farthest from the threshold come first.

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
        (H, W), bool, with the topology of the truth. What lies outside the image is taken for membrane.
    """
    width = truth.shape[1] + 2
    image = np.pad(truth, 1)
    wrong = image ^ np.pad(probability > threshold, 1)
    columns, rows = np.nonzero(wrong.T)  # column by column: pixels of equal certainty keep this order
    certainty = np.abs(np.pad(probability.astype(np.float64), 1)[rows, columns] - threshold).astype(np.float32)
    order = np.argsort(-certainty, kind="stable")
    remaining = (rows * width + columns)[order].tolist()
    # flat Python lists: ten times faster than indexing arrays pixel by pixel
    codes, simple = ring_codes(image).ravel().tolist(), SIMPLE.tolist()
    # seen from a neighbour, the pixel lies at the opposite place of the ring
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
    """Classify each pixel in which the warped truth and the proposal differ.

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
    # outside the image there is no id, not even that of the background
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
    """Return the number of parts, (n,), into which a cell falls when one pixel of it becomes membrane.

    Without the pixel, its foreground arcs are separate, unless the cell joins them elsewhere. In that case the cell
    encloses the background between them, which then is a background component of its own.
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
    """Return the number of different values in each row; negative values do not count."""
    ordered = np.sort(rows, axis=1)
    new = np.diff(ordered, axis=1, prepend=-1) != 0
    return np.count_nonzero(new & (ordered >= 0), axis=1)
