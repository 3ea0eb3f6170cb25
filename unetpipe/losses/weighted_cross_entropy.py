"""Pixel-weighted softmax cross entropy: the paper's energy function (section 3, equation 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn


class WeightedCrossEntropy(nn.Module):
    """E = Σ w(x) · −log p_{l(x)}(x), divided by the number of known pixels.

    Known pixels are those whose weight is above 0; the border weight map gives 0 to every pixel
    whose class is unknown. A tile without a known pixel costs 0 and has zero gradients.
    """

    def forward(self, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Return the scalar loss, float32 (float64 for float64 logits).

        Parameters
        ----------
        logits : Tensor
            (B, K, H, W), any float dtype; half precisions are widened before the log-softmax.
        target : mapping
            "label": (B, 1, H, W), class indices 0 … K − 1; "weight": (B, 1, H, W), ≥ 0.
        """
        label, weight = target["label"], target["weight"]
        if label.shape != weight.shape or label.shape[-2:] != logits.shape[-2:]:
            raise ValueError(
                f"logits {tuple(logits.shape)}, label {tuple(label.shape)} and weight {tuple(weight.shape)} must have "
                "the same height and width; crop label and weight to what the network returns."
            )
        wide = logits if logits.dtype == torch.float64 else logits.float()
        surprise = -torch.log_softmax(wide, dim=1).gather(1, label.long())
        return (weight.to(wide.dtype) * surprise).sum() / self.known_pixels(weight)

    def known_pixels(self, weight: Tensor) -> Tensor:
        """Return the number of pixels of known class, at least 1."""
        return (weight > 0).sum().clamp(min=1)


class DistributedWeightedCrossEntropy(WeightedCrossEntropy):
    """The same of tiles in several processes, whose gradients are averaged.

    The sum of each process is divided by the mean number of known pixels, so the mean of the gradients is that of
    one process with all tiles, also where the numbers of known pixels differ.
    """

    def known_pixels(self, weight: Tensor) -> Tensor:
        """Return the mean number over the processes."""
        if not dist.is_initialized():
            return super().known_pixels(weight)
        known = (weight > 0).sum()
        dist.all_reduce(known)
        return known.clamp(min=1) / dist.get_world_size()
