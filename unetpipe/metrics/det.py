"""DET, the detection measure of the Cell Tracking Challenge, as a metric of the engines."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.metrics.aogm import AOGMErrors, count_errors
from unetpipe.metrics.matching import match_frame


class DETMetric(CumulativeIterationMetric):
    """DET over all images, as a MONAI metric.

    Call it with lists (or a batch) of instance maps (1, H, W), prediction first, then the markers of all
    cells or their outlines; ``aggregate`` returns DET as a float, NaN before the first true cell.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("DET needs the truth beside the prediction.")
        rows = []
        for result, truth in zip(y_pred, y, strict=True):
            errors = count_errors({0: match_frame(convert_to_numpy(truth)[0], convert_to_numpy(result)[0])})
            rows.append([errors.ns, errors.fn, errors.fp, errors.vertices])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return DET of all images so far."""
        buffer = self.get_buffer()
        if buffer is None:
            return float("nan")
        ns, fn, fp, vertices = map(int, buffer.sum(0).tolist())  # type: ignore[union-attr]
        return AOGMErrors(ns, fn, fp, 0, 0, 0, vertices, 0).det
