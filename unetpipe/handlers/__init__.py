"""Handlers of Ignite engines: checkpoints, averaged weights, statistics, the trained bundle, work in the background."""

from unetpipe.handlers.background import BackgroundPostprocessing, ReadAheadLoader
from unetpipe.handlers.bundle_saver import BundleSaver
from unetpipe.handlers.checkpoint import Checkpoint
from unetpipe.handlers.epoch import EpochLoss, EpochStats, SeedEachEpoch, StepTimes
from unetpipe.handlers.weight_average import AverageWeights, WeightAverage

__all__ = [
    "AverageWeights",
    "BackgroundPostprocessing",
    "BundleSaver",
    "Checkpoint",
    "EpochLoss",
    "EpochStats",
    "ReadAheadLoader",
    "SeedEachEpoch",
    "StepTimes",
    "WeightAverage",
]
