"""Measure how uncertain a network is of the outlines that it draws."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

REACH = 3  # px to each side of an outline


def border_uncertainty(probability: np.ndarray) -> float:
    """Return the mean entropy (bits) of "cell or not" along the outlines that the network draws.

    A sharp outline is uncertain only within a pixel or two, and scores low whatever its length. A gap that may or may
    not be there, or an edge that fades out, scores high. The number of cells has no influence. If there is no outline,
    the mean is taken over the whole image.

    Parameters
    ----------
    probability : ndarray
        (H, W), float: the probability of "cell".
    """
    p = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    cell = probability > 0.5
    inside = ndimage.distance_transform_edt(np.pad(cell, 1, mode="edge"))[1:-1, 1:-1]
    outside = ndimage.distance_transform_edt(np.pad(~cell, 1, mode="edge"))[1:-1, 1:-1]
    near = (inside + outside <= REACH) if cell.any() and not cell.all() else np.ones_like(cell)
    return float(entropy[near].mean())
