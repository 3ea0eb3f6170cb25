"""Save the state of a training after each epoch, so that it can be resumed."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.engines import Evaluator
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from unetpipe.datasets.records import Record, fingerprint
from unetpipe.errors import InputError
from unetpipe.networks import save_state
from unetpipe.networks.weights import check_finite
from unetpipe.training.checkpoints import check_new, read_checkpoint
from unetpipe.training.distributed import rank

PROGRESS = ("last_epoch", "_step_count", "_last_lr", "_get_lr_called_within_step", "_is_initial")

logger = logging.getLogger(__name__)


class Checkpoint:
    """Save the whole state of a training after each epoch, and load it to resume the training.

    A resumed training ends with the same weights, bit for bit, as one that was never interrupted. If it is resumed with
    another number of epochs or another learning rate, it continues where the schedule for these would be by now.

    The checkpoint holds the given objects (weights, optimiser, scheduler), the epoch, the best metric so far, and a
    fingerprint of the data. The first one is written before the first epoch. The state of the random generators is not
    saved: :class:`unetpipe.handlers.SeedEachEpoch` seeds each epoch by its number. If the epoch's validation is not
    complete yet (:class:`unetpipe.handlers.Validation`), it is noted, and a resumed training validates the epoch again.
    Attach it to the trainer as the last handler.

    Parameters
    ----------
    path : path
        The checkpoint, ``checkpoints/last.pt`` in the folder of the training. It is written under a temporary name and
        renamed, so it is always complete.
    objects : mapping
        Objects with a ``state_dict``, by name.
    evaluator : Evaluator
        The engine that validates; it holds the best metric.
    resume : bool
        Whether to load the checkpoint. If there is none, training starts from the beginning.
    records : sequence of Record, optional
        What is trained on; a checkpoint of other images or masks is refused.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        objects: Mapping[str, Any],
        evaluator: Evaluator,
        resume: bool = False,
        records: Sequence[Record] | None = None,
    ) -> None:
        self.path = Path(path)
        self.objects = objects
        self.evaluator = evaluator
        self.resume = resume
        self.records = records

    @cached_property
    def data(self) -> str | None:
        """Fingerprint of what is trained on."""
        return None if self.records is None else fingerprint(self.records)

    def attach(self, engine: Engine) -> None:
        """Load at the start of the run if ``resume`` is true, else save; save at the end of each epoch."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:
        """Write the checkpoint. If there are several processes, only the first writes it."""
        if rank() > 0:
            return
        for name, thing in self.objects.items():
            if isinstance(thing, nn.Module):
                check_finite(thing.state_dict(), f"The {name} after epoch {engine.state.epoch}")
        content: dict[str, Any] = {name: thing.state_dict() for name, thing in self.objects.items()}
        content["epoch"] = engine.state.epoch
        content["data"] = self.data
        content["best_metric"] = self.evaluator.state.best_metric  # type: ignore[attr-defined]
        content["best_metric_epoch"] = self.evaluator.state.best_metric_epoch  # type: ignore[attr-defined]
        content["validate"] = getattr(self.evaluator.state, "unscored", False)
        save_state(content, self.path)

    def load(self, engine: Engine) -> None:
        """Load the checkpoint if ``resume`` is true and there is one; else write the first one.

        Raises
        ------
        InputError
            Without ``resume``, if there is a training already. With it, if that training has had more epochs than are
            asked for, belongs to other data, or its schedule of the learning rate cannot be changed to the one that is
            asked for.
        """
        if not self.resume:
            check_new(self.path.parents[1])
        elif not self.path.is_file():
            logger.info("There is no checkpoint %s yet; training starts from the beginning", self.path)
        if not self.resume or not self.path.is_file():
            self.save(engine)
            return
        content = read_checkpoint(self.path)
        done, asked_for = content["epoch"], engine.state.max_epochs or 0
        if asked_for < done:
            raise InputError(
                f"The training in {self.path} has {done} epochs already; resume it with max_epochs={done} or more."
            )
        if self.data is not None and content.get("data") not in (None, self.data):  # earlier versions did not note it
            raise InputError(
                f"The training in {self.path} had other images, masks or training frames; resume it with the data and "
                "split that it began with, or begin with its weights (unetpipe train --from) in another folder."
            )
        schedules = [thing for thing in self.objects.values() if isinstance(thing, LRScheduler)]
        asked = [schedule.state_dict() for schedule in schedules]
        for name, thing in self.objects.items():
            thing.load_state_dict(content[name])
        for schedule, state in zip(schedules, asked, strict=True):
            _reschedule(schedule, state)
        engine.state.epoch = content["epoch"]
        engine.state.iteration = content["epoch"] * engine.state.epoch_length  # type: ignore[operator]
        self.evaluator.state.best_metric = content["best_metric"]  # type: ignore[attr-defined]
        self.evaluator.state.best_metric_epoch = content["best_metric_epoch"]  # type: ignore[attr-defined]
        logger.info("Training continues after epoch %d", content["epoch"])
        if content.get("validate"):
            self.evaluator.run(content["epoch"])


def _reschedule(schedule: LRScheduler, asked: Mapping[str, Any]) -> None:
    """Go on with the schedule that is asked for, if the checkpoint had another number of epochs or another rate."""
    own = schedule.state_dict()
    changed = [name for name in asked if name not in PROGRESS and asked[name] != own.get(name, asked[name])]
    if not changed:
        return
    if not hasattr(schedule, "_get_closed_form_lr"):
        raise InputError(
            f"{type(schedule).__name__} cannot be resumed with another {', '.join(changed)}; give the same number of "
            "epochs and learning_rate as before."
        )
    schedule.load_state_dict({**own, **{name: asked[name] for name in changed}})
    rates = schedule._get_closed_form_lr()
    for group, rate, first in zip(schedule.optimizer.param_groups, rates, schedule.base_lrs, strict=True):
        group["lr"], group["initial_lr"] = rate, first
    schedule._last_lr = list(rates)
