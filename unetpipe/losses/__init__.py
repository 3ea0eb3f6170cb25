"""Losses: pixel-weighted cross entropy; Dice and its sums are MONAI's own."""

from unetpipe.losses.weighted_cross_entropy import DistributedWeightedCrossEntropy, WeightedCrossEntropy

__all__ = ["DistributedWeightedCrossEntropy", "WeightedCrossEntropy"]
