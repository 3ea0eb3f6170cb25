"""Save the state of a training after each epoch, so that it can be resumed."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from unetpipe.networks import save_state
from unetpipe.training.checkpoints import read_checkpoint
from unetpipe.training.distributed import rank

logger = logging.getLogger(__name__)


class Checkpoint:
    """Save the whole state of a training after each epoch, and load it to resume the training.

    A resumed training ends with the same weights, bit for bit, as one that was never interrupted.

    The checkpoint holds the given objects (weights, optimiser, scheduler), the epoch, and the best metric so
    far. The state of the random generators is not saved: :class:`unetpipe.handlers.SeedEachEpoch` seeds each epoch by
    its number. Attach it to the trainer as the last handler.

    Parameters
    ----------
    path : path
        The checkpoint. It is written under a temporary name and renamed, so it is always complete.
    objects : mapping
        Objects with a ``state_dict``, by name.
    evaluator : Engine
        The validating evaluator, which holds the best metric.
    resume : bool
        Whether to load the checkpoint. If there is none, training starts from the beginning.
    """

    def __init__(
        self, path: str | os.PathLike, objects: Mapping[str, Any], evaluator: Engine, resume: bool = False
    ) -> None:
        self.path = Path(path)
        self.objects = objects
        self.evaluator = evaluator
        self.resume = resume

    def attach(self, engine: Engine) -> None:
        """Load at the start of the run if ``resume`` is true; save at the end of each epoch."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:
        """Write the checkpoint. If there are several processes, only the first writes it."""
        if rank() > 0:
            return
        content: dict[str, Any] = {name: thing.state_dict() for name, thing in self.objects.items()}
        content["epoch"] = engine.state.epoch
        content["best_metric"] = self.evaluator.state.best_metric  # type: ignore[attr-defined]
        content["best_metric_epoch"] = self.evaluator.state.best_metric_epoch  # type: ignore[attr-defined]
        save_state(content, self.path)

    def load(self, engine: Engine) -> None:
        """Load the checkpoint if ``resume`` is true and there is one."""
        if not self.resume:
            return
        if not self.path.is_file():
            logger.info("There is no checkpoint %s yet; training starts from the beginning", self.path)
            return
        content = read_checkpoint(self.path)
        for name, thing in self.objects.items():
            thing.load_state_dict(content[name])
        engine.state.epoch = content["epoch"]
        engine.state.iteration = content["epoch"] * engine.state.epoch_length  # type: ignore[operator]
        self.evaluator.state.best_metric = content["best_metric"]  # type: ignore[attr-defined]
        self.evaluator.state.best_metric_epoch = content["best_metric_epoch"]  # type: ignore[attr-defined]
        logger.info("Training goes on after epoch %d", content["epoch"])
