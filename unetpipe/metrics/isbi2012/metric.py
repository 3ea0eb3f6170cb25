"""The Rand error as a metric of the engines, to choose a model for membranes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.instances import instances_from_probability
from unetpipe.metrics.choices import Thresholds, threshold_choices
from unetpipe.metrics.isbi2012.cells import proposal_of_cells
from unetpipe.metrics.isbi2012.rand import rand_error


class BestThresholdRandMetric(CumulativeIterationMetric):
    """1 − foreground-restricted Rand error at the best of several thresholds, chosen on validation slices.

    Call it with lists of probabilities (K, H, W) and instance maps (1, H, W), slices of one size;
    ``aggregate`` returns the highest value, and ``best`` holds the thresholds that reached it.

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

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("The Rand error needs the truth beside the prediction.")
        rows = [
            [
                self._score(1 - convert_to_numpy(probability)[0], convert_to_numpy(truth), choice)
                for choice in self.choices
            ]
            for probability, truth in zip(y_pred, y, strict=True)
        ]
        return torch.tensor(rows, dtype=torch.float64)

    def _score(self, cell: np.ndarray, truth: np.ndarray, choice: Thresholds) -> float:
        cells = instances_from_probability(cell, min_size=self.min_size, ridge=self.ridge, **choice)
        return 1 - rand_error(truth, proposal_of_cells(cells)[None], (0.5,)).best

    def aggregate(self) -> float:
        """Return the highest mean over the slices, 1 at best; NaN before the first slice."""
        buffer = self.get_buffer()
        if buffer is None:
            return float("nan")
        means = buffer.mean(0).tolist()  # type: ignore[union-attr]
        self.best = self.choices[means.index(max(means))]
        return max(means)
