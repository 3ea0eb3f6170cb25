"""Handlers that act once an epoch: seeds, losses, statistics, times."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.data.utils import set_rnd
from monai.handlers import StatsHandler, TensorBoardStatsHandler
from torch import Tensor

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
        loader: Any = engine.state.dataloader
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(engine.state.epoch, engine.state.max_epochs)
        torch.manual_seed(epoch_seed)
        set_rnd(self.dataset, epoch_seed)


class EpochLoss:
    """Average the loss over each epoch, as the metric ``train_loss``; stop if it is not finite.

    On a GPU the losses stay there until the end of the epoch, so that no step waits for the one before; on a CPU each
    is checked at once. ``engine.state.step_losses`` holds those of the last epoch, (steps,), on the CPU.
    """

    def attach(self, engine: Engine) -> None:
        """Attach the average and the check to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.average)

    def reset(self) -> None:
        """Begin an epoch."""
        self.losses: list[Tensor] = []

    def add(self, engine: Engine) -> None:
        """Keep the loss of this step; look at it where that does not wait for a GPU."""
        output: Any = engine.state.output  # a batch, or its samples, each with the loss of the step
        loss = torch.as_tensor((output if isinstance(output, Mapping) else output[0])["loss"]).detach()
        self.losses.append(loss)
        if loss.device.type == "cpu":
            self.check(engine, float(loss), engine.state.iteration)

    def average(self, engine: Engine) -> None:
        """Read the losses of the epoch, check them and set the metric."""
        losses = torch.stack(self.losses).cpu().double()
        first = engine.state.iteration - len(losses) + 1
        for number in (~losses.isfinite()).nonzero()[:1, 0].tolist():
            self.check(engine, float(losses[number]), first + number)
        engine.state.step_losses = losses  # type: ignore[attr-defined]
        engine.state.metrics["train_loss"] = float(losses.mean())

    @staticmethod
    def check(engine: Engine, loss: float, step: int) -> None:
        """Raise InputError if the loss of a step is NaN or infinite."""
        if not math.isfinite(loss):
            raise InputError(
                f"The loss is {loss} in step {step} (epoch {engine.state.epoch}), so training stopped; a lower "
                "learning_rate may help."
            )


class LossCurve(TensorBoardStatsHandler):
    """Write metrics and the loss of each step for TensorBoard, at the end of each epoch.

    MONAI's handler reads the loss in each step, for which a GPU has to be waited for. Attach it after
    :class:`EpochLoss`.

    Parameters
    ----------
    log_dir : path
        Folder of the event files.
    """

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir=log_dir, iteration_log=False)

    def epoch_completed(self, engine: Engine) -> None:
        """Write."""
        super().epoch_completed(engine)
        losses = engine.state.step_losses.tolist()  # type: ignore[attr-defined]
        for number, loss in enumerate(losses, start=engine.state.iteration - len(losses) + 1):
            self._writer.add_scalar("loss", loss, number)
        self._writer.flush()


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

    ``step_seconds`` is the mean time of a step, without the time to get its batch. ``waiting`` is the share of the
    epoch, without validation, in which the network waits for batches. If it is above 0.1, the log says what may help.

    On an NVIDIA GPU both are times between marks in its own queue, which are read when the epoch ends. So no step
    waits, and the time in which the GPU makes a batch counts as waiting too.
    """

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer, before the handlers that log the metrics."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self.mark)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self.mark)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.mark)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.report)

    def reset(self) -> None:
        """Begin an epoch."""
        self.marks: list[Any] = []

    def mark(self) -> None:
        """Note the time: three times a step, when a batch is asked for, when it has come, and after the step."""
        if torch.cuda.is_initialized():
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.marks.append(event)
        else:
            wait_for_gpu()  # Apple's has no such marks
            self.marks.append(time.perf_counter())

    def report(self, engine: Engine) -> None:
        """Set the metrics."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
            times = [self.marks[0].elapsed_time(mark) / 1000 for mark in self.marks]
        else:
            times = self.marks
        asked, came, done = times[::3], times[1::3], times[2::3]
        waited = sum(came) - sum(asked[: len(came)])
        worked = sum(done) - sum(came)
        share = waited / max(waited + worked, 1e-9)
        engine.state.metrics["step_seconds"] = worked / len(done)
        engine.state.metrics["waiting"] = share
        if share > TOLERATED:
            logger.info(
                "The network waits for data for %.0f %% of the time; a higher num_workers or, on a GPU, "
                "device_batches=true may help",
                100 * share,
            )
