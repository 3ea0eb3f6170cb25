"""Compute the pixel-weighted softmax cross entropy, the energy function of the U-Net paper (section 3, equation 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn


class WeightedCrossEntropy(nn.Module):
    """E = Σ w(x) · −log p_{l(x)}(x), divided by the number of known pixels.

    Known pixels have a weight above 0; the border weight map gives 0 to every pixel whose class is unknown. Without a
    known pixel the loss is 0, and so are the gradients.

    Examples
    --------
    The right class has probability 1/2 in both pixels, whose weights are 1 and 3: (1 + 3) · ln 2 / 2.

    >>> target = {"label": torch.tensor([[[[0, 1]]]]), "weight": torch.tensor([[[[1.0, 3.0]]]])}
    >>> WeightedCrossEntropy()(torch.zeros(1, 2, 1, 2), target)
    tensor(1.3863)
    """

    def forward(self, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Return the scalar loss, float32 (float64 for float64 logits).

        Parameters
        ----------
        logits : Tensor
            (B, K, H, W), float. Half precisions are converted to float32 before the log-softmax.
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
        """Return the number of known pixels, at least 1."""
        return (weight > 0).sum().clamp(min=1)


class DistributedWeightedCrossEntropy(WeightedCrossEntropy):
    """The weighted cross entropy for several processes whose gradients are averaged.

    Each process divides by the mean number of known pixels over the processes. So the average of the gradients equals
    the gradient of one process with all tiles, even if the processes have different numbers of known pixels.
    """

    def known_pixels(self, weight: Tensor) -> Tensor:
        """Return the mean number of known pixels over the processes."""
        if not dist.is_initialized():
            return super().known_pixels(weight)
        known = (weight > 0).sum()
        dist.all_reduce(known)
        return known.clamp(min=1) / dist.get_world_size()
