"""Compute the Dice loss over the pixels whose class is known, with or without cross entropy."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from monai.losses import DiceLoss
from monai.networks import one_hot
from torch import Tensor, nn

from unetpipe.losses.weighted_cross_entropy import WeightedCrossEntropy


class KnownDiceLoss(nn.Module):
    """MONAI's Dice loss of the softmax, averaged over all classes, plus a multiple of the cross entropy.

    Both use only known pixels, which have a weight above 0; the size of the weight does not matter. (MONAI's
    MaskedDiceLoss masks the logits *before* the softmax, so unknown pixels would count as equally likely classes.)

    Parameters
    ----------
    cross_entropy : float
        Factor of the cross entropy; with 0 the loss is Dice only.
    """

    def __init__(self, cross_entropy: float = 0.0) -> None:
        super().__init__()
        self.dice = DiceLoss()
        self.cross_entropy = cross_entropy
        self.entropy = WeightedCrossEntropy()

    def forward(self, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Return the scalar loss, float32; see :class:`WeightedCrossEntropy` for logits and target."""
        known = (target["weight"] > 0).to(torch.float32)
        truth = one_hot(target["label"].long(), num_classes=logits.shape[1])
        loss = self.dice(torch.softmax(logits.float(), dim=1) * known, truth * known)
        if self.cross_entropy:
            loss = loss + self.cross_entropy * self.entropy(logits, {"label": target["label"], "weight": known})
        return loss
