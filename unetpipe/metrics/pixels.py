"""Overlap of masks, pixel by pixel: IoU and Dice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PixelScore(NamedTuple):
    """Pixels set in both of two masks, and in at least one of them."""

    both: int
    either: int

    @property
    def iou(self) -> float:
        """Intersection over union; 1 if both masks are empty."""
        return share(self.both, self.either, empty=True)

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum of the two sizes; 1 if both masks are empty."""
        return share(2 * self.both, self.both + self.either, empty=True)


def pixel_score(truth: np.ndarray, result: np.ndarray) -> PixelScore:
    """Count the pixels of two masks of any one shape, nonzero where set; ValueError if the shapes differ."""
    if truth.shape != result.shape:
        raise ValueError(f"Truth {truth.shape} and result {result.shape} must have one shape.")
    one, other = truth != 0, result != 0
    return PixelScore(int(np.count_nonzero(one & other)), int(np.count_nonzero(one | other)))


def mask_iou(truth: np.ndarray, result: np.ndarray) -> float:
    """Return the IoU of two masks of any one shape, nonzero where set; 1 if both are empty."""
    return pixel_score(truth, result).iou


def mask_dice(truth: np.ndarray, result: np.ndarray) -> float:
    """Return the Dice coefficient of two masks of any one shape, nonzero where set; 1 if both are empty."""
    return pixel_score(truth, result).dice


def share(part: int, whole: int, empty: bool) -> float:
    """Return part / whole; of nothing, 1 if ``empty`` says that nothing is right, else 0."""
    return part / whole if whole else float(empty)
