"""What the metrics have in common that score each image at several thresholds and average over the images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.instances import instances_from_probability
from unetpipe.metrics.choices import threshold_choices
from unetpipe.metrics.detection import mean_precision


class BestThresholdMetric(CumulativeIterationMetric):
    """The mean over images of a score of the cells, at the best of several thresholds, chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and instance maps (1, H, W); ``aggregate`` returns
    the highest mean, NaN before the first image, and ``best`` holds the thresholds that reached it.
    Every image counts alike, whatever its size or number of cells. Subclasses say what the score is.

    Parameters
    ----------
    thresholds, marker_thresholds, merge_thresholds
        As in :class:`unetpipe.metrics.BestThresholdSEGMetric`.
    min_size, ridge
        See :func:`unetpipe.instances.instances_from_probability`.
    """

    def __init__(
        self,
        thresholds: Iterable[float],
        marker_thresholds: Iterable[float] = (),
        merge_thresholds: Iterable[float] = (),
        min_size: int = 0,
        ridge: float = 0.0,
    ) -> None:
        super().__init__()
        self.choices = threshold_choices(thresholds, marker_thresholds, merge_thresholds)
        self.min_size = min_size
        self.ridge = ridge
        self.best = self.choices[len(self.choices) // 2]

    @staticmethod
    @abstractmethod
    def score(truth: np.ndarray, cells: np.ndarray) -> float:
        """Return the score of one image's cells (H, W) against the truth (H, W), both instance maps; 1 at best."""

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError(f"{type(self).__name__} needs the truth beside the prediction.")
        rows = []
        for probability, truth in zip(y_pred, y, strict=True):
            cell, label = 1 - convert_to_numpy(probability)[0], convert_to_numpy(truth)[0]
            found = (
                instances_from_probability(cell, min_size=self.min_size, ridge=self.ridge, **choice)
                for choice in self.choices
            )
            rows.append([self.score(label, cells) for cells in found])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the highest mean over the images."""
        buffer = self.get_buffer()
        if buffer is None:
            return float("nan")
        means = buffer.mean(0).tolist()  # type: ignore[union-attr]
        self.best = self.choices[means.index(max(means))]
        return max(means)


class BestThresholdMeanPrecisionMetric(BestThresholdMetric):
    """The mean precision of the Data Science Bowl 2018 at the best of several thresholds.

    Unlike SEG, which asks of each true cell whether it was found, it counts invented cells against the result
    (:func:`unetpipe.metrics.mean_precision`).
    """

    @staticmethod
    def score(truth: np.ndarray, cells: np.ndarray) -> float:
        """Return the mean precision over IoU 0.5–0.95 of one image."""
        return mean_precision(truth, cells)
