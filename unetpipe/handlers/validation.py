"""Validate during a training. Processes may score the frames while the next epoch trains."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events
from monai.engines import Evaluator

from unetpipe.metrics import BestThresholdMetric
from unetpipe.processes import FreshProcesses, idle_cores
from unetpipe.training.distributed import gathered


class Validation:
    """Validate every few epochs and after the last one, so that training always ends with a validated model.

    With ``processes``, the validator's run ends after the last image, before ``Events.EPOCH_COMPLETED``. Training
    continues with the next epoch, while the processes score all thresholds. When that epoch is complete, this event is
    fired: the thresholds are chosen, the score is compared with the best one, and the validator's handlers are called.
    Its ``state.epoch`` is the epoch whose weights were validated. A handler that needs these weights keeps them at
    ``Events.TERMINATE``. The results are the same as without processes, bit for bit.

    Until then the validator's ``state.unscored`` is true. :class:`unetpipe.handlers.Checkpoint` notes this, and a
    resumed training validates that epoch again.

    Parameters
    ----------
    validator : Evaluator
        The engine that validates.
    interval : int
        Number of epochs from one validation to the next.
    metric : Metric, optional
        The validator's metric. Only a :class:`unetpipe.metrics.BestThresholdMetric` takes long enough to use processes.
    processes : int, optional
        How many processes score. None uses the idle cores where the network computes on a GPU, at most 8. 0 scores
        while the training waits; so does None on a CPU.
    """

    def __init__(self, validator: Evaluator, interval: int, metric: Any = None, processes: int | None = 0) -> None:
        self.validator = validator
        self.interval = interval
        self.metric = metric if isinstance(metric, BestThresholdMetric) else None
        self.processes = processes
        self._scoring: FreshProcesses | None = None
        self._leaves_scores = False

    def attach(self, engine: Engine) -> None:
        """Validate at the end of epochs of a trainer."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.end)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)
        self.validator.add_event_handler(Events.ITERATION_COMPLETED, self._leave_scores)

    def start(self, engine: Engine) -> None:
        """Start the processes, if any."""
        self.validator.state.unscored = False  # type: ignore[attr-defined]
        if self.metric is None:
            return
        count = self.processes
        if count is None:
            workers = getattr(engine.state.dataloader, "num_workers", 0)
            idle = idle_cores(engine.state.device, workers)  # type: ignore[attr-defined]
            count = min(gathered([idle]))  # all processes of a training wait for scores at the same places
        if count:
            self._scoring = self.metric.processes = FreshProcesses(count)

    def __call__(self, engine: Engine) -> None:
        """Complete the validation before, and validate if it is time, or this is the last epoch."""
        self._complete()
        epoch, last = engine.state.epoch, engine.state.max_epochs
        if epoch % self.interval == 0 or epoch == last:
            self._leaves_scores = self._scoring is not None and epoch != last
            self.validator.run(epoch)
            self._leaves_scores = False

    def end(self) -> None:
        """Complete the last validation, if something else than the last epoch ended the training."""
        self._complete()
        self._close()

    def fail(self, _engine: Engine, error: Exception) -> None:
        """End the processes, and raise the error again."""
        self._close()
        raise error

    def _leave_scores(self, validator: Engine) -> None:
        if self._leaves_scores and validator.state.iteration == validator.state.epoch_length:
            validator.state.unscored = True  # type: ignore[attr-defined]
            validator.terminate(skip_completed=True)

    def _complete(self) -> None:
        if self.validator.state.unscored:  # type: ignore[attr-defined]
            self.validator.state.unscored = False  # type: ignore[attr-defined]
            self.validator.fire_event(Events.EPOCH_COMPLETED)
            self.validator.fire_event(Events.COMPLETED)

    def _close(self) -> None:
        if self._scoring is not None:
            self._scoring.close()
            self._scoring = self.metric.processes = None  # type: ignore[union-attr]
