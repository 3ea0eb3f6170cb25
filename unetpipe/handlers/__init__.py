"""Handlers of Ignite engines: checkpoints, averaged weights, statistics, progress, trained bundles, background work."""

from unetpipe.handlers.background import BackgroundPostprocessing, ReadAheadLoader
from unetpipe.handlers.bundle_saver import BundleSaver
from unetpipe.handlers.checkpoint import Checkpoint
from unetpipe.handlers.epoch import EpochLoss, EpochStats, LossCurve, SeedEachEpoch, StepTimes
from unetpipe.handlers.named import NamedHandlers
from unetpipe.handlers.progress import Progress, show_bars
from unetpipe.handlers.validation import Validation
from unetpipe.handlers.weight_average import AverageWeights, WeightAverage

__all__ = [
    "AverageWeights",
    "BackgroundPostprocessing",
    "BundleSaver",
    "Checkpoint",
    "EpochLoss",
    "EpochStats",
    "LossCurve",
    "NamedHandlers",
    "Progress",
    "ReadAheadLoader",
    "SeedEachEpoch",
    "StepTimes",
    "Validation",
    "WeightAverage",
    "show_bars",
]
