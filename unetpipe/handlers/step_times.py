"""How long a training step takes, and how long the network waits for its data."""

from __future__ import annotations

import logging
import time

import torch
from ignite.engine import Engine, Events

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
