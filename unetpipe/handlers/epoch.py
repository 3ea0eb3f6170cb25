"""Handlers that act once an epoch."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from monai.data.utils import set_rnd
from monai.handlers import StatsHandler, from_engine


class SeedEachEpoch:
    """Make the random draws of an epoch depend on the seed and the epoch's number alone.

    So a training that is taken up again at an epoch draws what the undisturbed one drew.

    Parameters
    ----------
    seed : int
        Seed of the run.
    dataset : Dataset
        The data set whose random transforms are seeded.
    sampler : ShareOfSamples, optional
        Draws the same order in every process; it is told the epoch.
    rank : int
        Number of the process: each draws its own transforms.
    """

    def __init__(self, seed: int, dataset: Any, sampler: Any = None, rank: int = 0) -> None:
        self.seed = seed
        self.dataset = dataset
        self.sampler = sampler
        self.rank = rank

    def attach(self, engine: Engine) -> None:
        """Seed at the start of each epoch, before the loader draws its order."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed torch and the transforms."""
        epoch_seed = (self.seed * 1_000_003 + engine.state.epoch + self.rank * 15_485_863) % 2**31
        if self.sampler is not None:
            self.sampler.set_epoch(engine.state.epoch)
        torch.manual_seed(epoch_seed)
        set_rnd(self.dataset, epoch_seed)


class EpochLoss:
    """Average the loss over each epoch, as the metric ``train_loss``."""

    def attach(self, engine: Engine) -> None:
        """Attach the average to a trainer."""
        Average(output_transform=from_engine(["loss"], first=True)).attach(engine, "train_loss")


class EpochStats(StatsHandler):
    """Log metrics each epoch, and leave exceptions to :func:`unetpipe.training.run_engine`."""

    def __init__(self) -> None:
        super().__init__(iteration_log=False)

    def exception_raised(self, _engine: Engine, error: Exception) -> None:
        """Raise it again."""
        raise error
