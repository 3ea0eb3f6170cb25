"""Training: checks before a run, proposals for its settings, batches, several processes, running an engine."""

from unetpipe.training.batches import PrepareBatchWeighted
from unetpipe.training.checks import check_evaluation, check_inference, check_training
from unetpipe.training.device_batches import DeviceBatches, training_loader
from unetpipe.training.distributed import ShareOfSamples
from unetpipe.training.facts import TrainingFacts
from unetpipe.training.frames import FrameDataset, perturbed_copies
from unetpipe.training.proposal import Machine, Proposal, epochs_within, propose, seconds_a_step, this_machine
from unetpipe.training.run import one_line_mistakes, run_engine

__all__ = [
    "DeviceBatches",
    "FrameDataset",
    "Machine",
    "PrepareBatchWeighted",
    "Proposal",
    "ShareOfSamples",
    "TrainingFacts",
    "check_evaluation",
    "check_inference",
    "check_training",
    "epochs_within",
    "one_line_mistakes",
    "perturbed_copies",
    "propose",
    "run_engine",
    "seconds_a_step",
    "this_machine",
    "training_loader",
]
