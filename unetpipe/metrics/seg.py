"""SEG, the segmentation measure of the Cell Tracking Challenge.

References
----------
M. Maška et al.: A benchmark for comparison of cell tracking algorithms, Bioinformatics 30 (2014):
the Jaccard index of each reference object with the one result object that covers more than half
of it, 0 where none does, averaged over all reference objects.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.metrics.best_threshold import BestThresholdMetric
from unetpipe.metrics.matching import overlap


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


class BestThresholdSEGMetric(BestThresholdMetric):
    """SEG over all reference objects of all images, at the best of several thresholds."""

    @staticmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the SEG contribution of each reference object of one image."""
        return object_jaccards(truth, cells)
