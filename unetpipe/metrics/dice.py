"""Dice of one foreground class at the best of several thresholds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.metrics.choices import threshold_choices
from unetpipe.metrics.pixels import PixelScore, pixel_score


class BestThresholdDiceMetric(CumulativeIterationMetric):
    """Dice of foreground over all pixels of all images, at a threshold that is chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and label maps (1, H, W), nonzero where foreground; ``aggregate``
    returns the highest Dice, and ``best`` holds the threshold that reached it, the middle one of equals.

    Parameters
    ----------
    thresholds : iterable of float
        Thresholds of the probability of foreground, 1 minus that of class 0, to try.
    """

    def __init__(self, thresholds: Iterable[float]) -> None:
        super().__init__()
        self.choices = threshold_choices(thresholds)
        self.best = self.choices[len(self.choices) // 2]

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("Dice needs the truth beside the prediction.")
        rows = []
        for probability, truth in zip(y_pred, y, strict=True):
            foreground, label = 1 - convert_to_numpy(probability)[0], convert_to_numpy(truth)[0]
            rows.append([pixel_score(label, foreground > choice["threshold"]) for choice in self.choices])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the highest Dice over the thresholds."""
        sums = self.get_buffer().sum(0).tolist()  # type: ignore[union-attr]
        dice = [PixelScore(int(both), int(either)).dice for both, either in sums]
        best = [choice for choice, value in zip(self.choices, dice, strict=True) if value == max(dice)]
        self.best = best[len(best) // 2]
        return max(dice)
