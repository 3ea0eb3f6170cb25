"""Handlers that act once an epoch: seeds, losses, statistics, times."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from monai.data.utils import set_rnd
from monai.engines import Evaluator
from monai.handlers import StatsHandler, from_engine

from unetpipe.device import wait_for_gpu
from unetpipe.errors import InputError


class SeedEachEpoch:
    """Make the random draws of an epoch depend only on the seed and the number of the epoch.

    A resumed training then makes the same draws as one that was never interrupted.

    Parameters
    ----------
    seed : int
        Seed of the run.
    dataset : Dataset
        The data set whose random transforms are seeded.
    sampler : ShareOfSamples, optional
        Sampler whose order depends on the epoch; it gets the number of the epoch.
    rank : int
        Number of the process. Each process makes other random draws.
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


class Validation:
    """Validate every few epochs and after the last one, so that training always ends with a validated model.

    Parameters
    ----------
    validator : Evaluator
        The engine that validates.
    interval : int
        Number of epochs from one validation to the next.
    """

    def __init__(self, validator: Evaluator, interval: int) -> None:
        self.validator = validator
        self.interval = interval

    def attach(self, engine: Engine) -> None:
        """Validate at the end of epochs of a trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Validate if it is time, or this is the last epoch."""
        epoch = engine.state.epoch
        if epoch % self.interval == 0 or epoch == engine.state.max_epochs:
            self.validator.run(epoch)


class EpochLoss:
    """Average the loss over each epoch, as the metric ``train_loss``; stop if it is not finite."""

    def attach(self, engine: Engine) -> None:
        """Attach the average and the check to a trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.check)
        Average(output_transform=from_engine(["loss"], first=True)).attach(engine, "train_loss")

    def check(self, engine: Engine) -> None:
        """Raise InputError if the loss of this step is NaN or infinite."""
        loss = float(from_engine(["loss"], first=True)(engine.state.output))
        if not math.isfinite(loss):
            raise InputError(
                f"The loss is {loss} in step {engine.state.iteration} (epoch {engine.state.epoch}), so training "
                "stopped; a lower learning_rate may help."
            )


class EpochStats(StatsHandler):
    """Log metrics each epoch. Exceptions are not logged: :func:`unetpipe.training.run_engine` handles them."""

    def __init__(self) -> None:
        super().__init__(iteration_log=False)

    def exception_raised(self, _engine: Engine, error: Exception) -> None:
        """Raise the exception again."""
        raise error


logger = logging.getLogger(__name__)

TOLERATED = 0.1  # share of the time in which the network waits


class StepTimes:
    """Handler of a trainer: metrics ``step_seconds`` and ``waiting`` of each epoch.

    ``step_seconds`` is the mean wall time of a step, without the time to get its batch. ``waiting`` is the share of the
    epoch, without validation, in which the network waits for batches. If it is above 0.1, the log says what may help.
    """

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer, before the handlers that log the metrics."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self.wait)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self.work)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.report)

    def reset(self) -> None:
        """Begin an epoch."""
        self.waited = self.worked = 0.0

    def wait(self) -> None:
        """Note when waiting for a batch begins."""
        self._since = time.perf_counter()

    def work(self) -> None:
        """Add the time of waiting; the step begins."""
        now = time.perf_counter()
        self.waited += now - self._since
        self._since = now

    def step(self) -> None:
        """Add the time of the step."""
        wait_for_gpu()  # otherwise it still computes while the next batch is read
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
