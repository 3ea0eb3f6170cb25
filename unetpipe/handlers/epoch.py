"""Handlers that act once an epoch: seeds, losses, statistics, times."""

from __future__ import annotations

import logging
import time
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


logger = logging.getLogger(__name__)

TOLERATED = 0.1  # share of the time


class StepTimes:
    """Handler of a trainer: metrics ``step_seconds`` and ``waiting`` of each epoch.

    ``step_seconds`` is the mean wall time of a step with its data at hand; ``waiting`` the share of the epoch's
    time, validation left out, that goes by before the data are. Above a tenth the log says what would help.
    """

    def attach(self, engine: Engine) -> None:
        """Attach before handlers that log the metrics."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self.wait)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self.work)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.report)

    def reset(self) -> None:
        """Begin an epoch."""
        self.waited = self.worked = 0.0

    def wait(self) -> None:
        """Begin to wait for a batch."""
        self._since = time.perf_counter()

    def work(self) -> None:
        """Take the batch."""
        now = time.perf_counter()
        self.waited += now - self._since
        self._since = now

    def step(self) -> None:
        """End a step."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()  # else the step goes on while the next batch is awaited
        self.worked += time.perf_counter() - self._since

    def report(self, engine: Engine) -> None:
        """Set the metrics."""
        share = self.waited / (self.waited + self.worked)
        engine.state.metrics["step_seconds"] = self.worked / engine.state.epoch_length  # type: ignore[operator]
        engine.state.metrics["waiting"] = share
        if share > TOLERATED:
            logger.info(
                "The network waits for data for %.0f %% of the time; a higher num_workers may help", 100 * share
            )
