"""SEG, the segmentation measure of the Cell Tracking Challenge.

References
----------
M. Maška et al.: A benchmark for comparison of cell tracking algorithms, Bioinformatics 30 (2014):
the Jaccard index of each reference object with the one result object that covers more than half
of it, 0 where none does, averaged over all reference objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.instances import instances_from_probability
from unetpipe.metrics.choices import threshold_choices
from unetpipe.metrics.overlap import overlap


def object_jaccards(truth: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return the SEG contribution of each reference object, in the order of their ids.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.

    Returns
    -------
    ndarray
        (number of reference objects,), float64, 0 … 1.

    Raises
    ------
    ValueError
        If the maps differ in shape or are no integers from 0.
    """
    shared = overlap(truth, result)
    covered = 2 * shared.counts[1:, 1:] > shared.counts[1:].sum(1, keepdims=True)
    return np.where(covered, shared.ious, 0.0).max(axis=1, initial=0.0)


class SEGMetric(CumulativeIterationMetric):
    """SEG over all reference objects of all images, as a MONAI metric.

    Call it with lists (or a batch) of instance maps (1, H, W), prediction first; ``aggregate``
    returns the mean over objects as a float, NaN before the first object. ``objects`` counts them.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("SEG needs the truth beside the prediction.")
        rows = []
        for result, truth in zip(y_pred, y, strict=True):
            scores = object_jaccards(convert_to_numpy(truth)[0], convert_to_numpy(result)[0])
            rows.append([scores.sum(), len(scores)])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the mean Jaccard index over all reference objects so far."""
        total, count = self._sums()
        return total / count if count else float("nan")

    @property
    def objects(self) -> int:
        """Number of reference objects so far."""
        return int(self._sums()[1])

    def _sums(self) -> tuple[float, float]:
        """Return the sum and the number of the Jaccard indices so far."""
        buffer = self.get_buffer()
        return (0.0, 0.0) if buffer is None else tuple(buffer.sum(0).tolist())  # type: ignore[union-attr,return-value]


class BestThresholdSEGMetric(CumulativeIterationMetric):
    """SEG of class probabilities at the best of several thresholds, which are chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and instance maps (1, H, W); ``aggregate``
    returns the highest SEG, NaN before the first object, and ``best`` holds the thresholds that
    reached it, the middle ones of equals.

    Parameters
    ----------
    thresholds : iterable of float
        Thresholds of the probability of "cell" to try.
    marker_thresholds : iterable of float
        With each of them, higher thresholds of confident centres to try; where none is higher, cells are
        not cut.
    merge_thresholds : iterable of float
        With each of these, merge thresholds to try.
    min_size, ridge
        See :func:`unetpipe.instances.instances_from_probability`.
    """

    def __init__(
        self,
        thresholds: Iterable[float],
        marker_thresholds: Iterable[float] = (),
        merge_thresholds: Iterable[float] = (),
        min_size: int = 0,
        ridge: float = 2.0,
    ) -> None:
        super().__init__()
        self.choices = threshold_choices(thresholds, marker_thresholds, merge_thresholds)
        self.min_size = min_size
        self.ridge = ridge
        self.best = self.choices[len(self.choices) // 2]

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("SEG needs the truth beside the prediction.")
        rows = []
        for probability, truth in zip(y_pred, y, strict=True):
            cell, label = 1 - convert_to_numpy(probability)[0], convert_to_numpy(truth)[0]
            scores = [
                object_jaccards(
                    label, instances_from_probability(cell, min_size=self.min_size, ridge=self.ridge, **choice)
                )
                for choice in self.choices
            ]
            rows.append([*(score.sum() for score in scores), len(scores[0])])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the highest SEG over the thresholds."""
        buffer = self.get_buffer()
        if buffer is None:
            return float("nan")
        *totals, count = buffer.sum(0).tolist()  # type: ignore[union-attr]
        if not count:
            return float("nan")
        best = [choice for choice, total in zip(self.choices, totals, strict=True) if total == max(totals)]
        self.best = best[len(best) // 2]
        return max(totals) / count
