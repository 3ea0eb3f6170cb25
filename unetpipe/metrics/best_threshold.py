"""What the metrics have in common that score cells at several thresholds, and the one of the Data Science Bowl."""

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
    """The mean of a score of class probabilities at the best of several thresholds, chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and instance maps (1, H, W); ``aggregate`` returns the
    highest mean, NaN before the first score, and ``best`` holds the thresholds that reached it, the middle
    ones of equals. Subclasses say what the scores are: one an image, or one an object.

    Parameters
    ----------
    thresholds : iterable of float
        Thresholds of the probability of "cell" to try.
    marker_thresholds : iterable of float
        With each of them, higher thresholds of confident centres to try; where none is higher, cells are
        not cut.
    merge_thresholds : iterable of float
        With each of these, merge thresholds to try.
    min_size, ridge_refill_radius
        See :func:`unetpipe.instances.instances_from_probability`.
    """

    def __init__(
        self,
        thresholds: Iterable[float],
        marker_thresholds: Iterable[float] = (),
        merge_thresholds: Iterable[float] = (),
        min_size: int = 0,
        ridge_refill_radius: float = 2.0,
    ) -> None:
        super().__init__()
        self.choices = threshold_choices(thresholds, marker_thresholds, merge_thresholds)
        self.min_size = min_size
        self.ridge_refill_radius = ridge_refill_radius
        self.best = self.choices[len(self.choices) // 2]

    @staticmethod
    @abstractmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of one image's cells (H, W) against the truth (H, W), both instance maps; 1 at best.

        Their number depends on the truth alone.
        """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError(f"{type(self).__name__} needs the truth beside the prediction.")
        rows = []
        for probability, truth in zip(y_pred, y, strict=True):
            cell, label = 1 - convert_to_numpy(probability)[0], convert_to_numpy(truth)[0]
            found = [
                self.scores(
                    label,
                    instances_from_probability(
                        cell, min_size=self.min_size, ridge_refill_radius=self.ridge_refill_radius, **choice
                    ),
                )
                for choice in self.choices
            ]
            rows.append([*(scores.sum() for scores in found), len(found[0])])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the highest mean over the thresholds."""
        buffer = self.get_buffer()
        if buffer is None:
            return float("nan")
        *totals, count = buffer.sum(0).tolist()  # type: ignore[union-attr]
        if not count:
            return float("nan")
        best = [choice for choice, total in zip(self.choices, totals, strict=True) if total == max(totals)]
        self.best = best[len(best) // 2]
        return max(totals) / count


class BestThresholdMeanPrecisionMetric(BestThresholdMetric):
    """The mean precision of the Data Science Bowl 2018, averaged over the images, at the best of several thresholds.

    Unlike SEG, which asks of each true cell whether it was found, it counts invented cells against the result
    (:func:`unetpipe.metrics.mean_precision`).
    """

    @staticmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the mean precision over IoU 0.5–0.95 of one image, (1,)."""
        return np.array([mean_precision(truth, cells)])
