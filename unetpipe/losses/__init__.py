"""Losses: pixel-weighted cross entropy, and Dice over known pixels with or without cross entropy."""

from unetpipe.losses.known_dice import KnownDiceLoss
from unetpipe.losses.weighted_cross_entropy import DistributedWeightedCrossEntropy, WeightedCrossEntropy

__all__ = ["DistributedWeightedCrossEntropy", "KnownDiceLoss", "WeightedCrossEntropy"]
