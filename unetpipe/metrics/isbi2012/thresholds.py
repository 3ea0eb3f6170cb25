"""Hold what the ISBI 2012 measures share: thresholds, scores by threshold, and the check of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

# The challenge's code adds 0.1 to a double up to 0.9, with rounding: 0.30000000000000004, 0.7999999999999999 …
THRESHOLDS = tuple(accumulate([0.0] + [0.1] * 9))


@dataclass(frozen=True)
class ThresholdScores:
    """A measure at each threshold; the challenge reports the best one, chosen once for the whole stack.

    Attributes
    ----------
    thresholds : tuple of float
        The thresholds that were tried.
    values : ndarray
        (thresholds,), float64: the measure of the whole stack.
    per_slice : ndarray
        (thresholds, slices), float64: the measure of each slice by itself.
    higher_is_better : bool
        True for scores, False for errors.
    """

    thresholds: tuple[float, ...]
    values: np.ndarray
    per_slice: np.ndarray
    higher_is_better: bool

    @property
    def best_index(self) -> int:
        """Index of the best value; of equal ones the first."""
        return int(self.values.argmax() if self.higher_is_better else self.values.argmin())

    @property
    def best_threshold(self) -> float:
        """The threshold with the best value."""
        return self.thresholds[self.best_index]

    @property
    def best(self) -> float:
        """The best value, which the challenge reports."""
        return float(self.values[self.best_index])


def check_stacks(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the truth as bool, and the probability rounded to float32 as in the challenge's code, but as float64.

    Parameters
    ----------
    truth : ndarray
        (slices, H, W): cell where above 0, membrane elsewhere.
    probability : ndarray
        (slices, H, W), float, 0 … 1: the probability of "cell".

    Raises
    ------
    ValueError
        If the two differ in shape, are empty or not stacks, or the probability is not float within 0 … 1.
    """
    truth, probability = np.asarray(truth), np.asarray(probability)
    if truth.shape != probability.shape or truth.ndim != 3 or not truth.size:
        raise ValueError(
            f"Truth {truth.shape} and probability {probability.shape} must have the same shape, (slices, height, "
            "width), and not be empty."
        )
    if probability.dtype.kind != "f":
        raise ValueError(f"Probability must be float, got {probability.dtype}; divide 8-bit values by 255.")
    if not (probability.min() >= 0 and probability.max() <= 1):  # also catches NaN
        raise ValueError(f"Probability must be within 0 and 1, got {probability.min()} to {probability.max()}.")
    return truth > 0, probability.astype(np.float32).astype(np.float64)


def f_scores(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """Return 2 TP / (2 TP + FP + FN) elementwise; 0 where all three are 0."""
    whole = 2.0 * tp + fp + fn
    return np.divide(2.0 * tp, whole, out=np.zeros_like(whole), where=whole > 0)


def as_tuple(thresholds: Sequence[float]) -> tuple[float, ...]:
    """Return the thresholds as floats; ValueError if there are none."""
    if not len(thresholds):
        raise ValueError("Give at least one threshold.")
    return tuple(float(threshold) for threshold in thresholds)
