"""Engines: what stands between MONAI's trainers and evaluators and the rest."""

from unetpipe.engines.background import BackgroundPostprocessing, ReadAheadLoader
from unetpipe.engines.bundle_saver import BundleSaver
from unetpipe.engines.distributed import ShareOfSamples
from unetpipe.engines.epoch import EpochLoss, SeedEachEpoch
from unetpipe.engines.preflight import check_evaluation, check_inference, check_training
from unetpipe.engines.prepare_batch import PrepareBatchWeighted
from unetpipe.engines.proposal import Machine, Proposal, epochs_within, propose, seconds_a_step, this_machine
from unetpipe.engines.resume import Checkpoint
from unetpipe.engines.run import EpochStats, one_line_mistakes, run_engine
from unetpipe.engines.step_times import StepTimes
from unetpipe.engines.weight_average import AverageWeights, WeightAverage

__all__ = [
    "AverageWeights",
    "BackgroundPostprocessing",
    "BundleSaver",
    "Checkpoint",
    "EpochLoss",
    "EpochStats",
    "Machine",
    "PrepareBatchWeighted",
    "Proposal",
    "ReadAheadLoader",
    "SeedEachEpoch",
    "ShareOfSamples",
    "StepTimes",
    "WeightAverage",
    "check_evaluation",
    "check_inference",
    "check_training",
    "epochs_within",
    "one_line_mistakes",
    "propose",
    "run_engine",
    "seconds_a_step",
    "this_machine",
]
