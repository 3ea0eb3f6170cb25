"""Training that is killed goes on from its last complete epoch as if it had never stopped."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from unetpipe.engines.distributed import rank
from unetpipe.errors import InputError
from unetpipe.networks import save_state

logger = logging.getLogger(__name__)


class Checkpoint:
    """Save the whole state of a training after each epoch, and take it up again.

    Saved are the objects given (weights, optimiser, scheduler), the epoch, and the best metric so
    far. Random draws need no saving: :class:`unetpipe.engines.SeedEachEpoch` seeds each epoch by
    its number. Attach it to the trainer as the last handler.

    Parameters
    ----------
    path : path
        The checkpoint. It is written under a temporary name and renamed, so it is always complete.
    objects : mapping
        What has a ``state_dict``, by name.
    evaluator : Engine
        The validating evaluator, which holds the best metric.
    resume : bool
        True goes on from the checkpoint if there is one; without one training starts from the beginning.
    """

    def __init__(
        self, path: str | os.PathLike, objects: Mapping[str, Any], evaluator: Engine, resume: bool = False
    ) -> None:
        self.path = Path(path)
        self.objects = objects
        self.evaluator = evaluator
        self.resume = resume

    def attach(self, engine: Engine) -> None:
        """Load at the start if asked to; save at the end of each epoch."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:
        """Write the checkpoint; of several processes the first does."""
        if rank() > 0:
            return
        content: dict[str, Any] = {name: thing.state_dict() for name, thing in self.objects.items()}
        content["epoch"] = engine.state.epoch
        content["best_metric"] = self.evaluator.state.best_metric  # type: ignore[attr-defined]
        content["best_metric_epoch"] = self.evaluator.state.best_metric_epoch  # type: ignore[attr-defined]
        save_state(content, self.path)

    def load(self, engine: Engine) -> None:
        """Take up the state of the checkpoint, if there is one and ``resume`` is set."""
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


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values alone; InputError if it is none."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is no checkpoint that can be loaded safely; remove it to start anew.") from error
    if not isinstance(content, dict) or "epoch" not in content:
        raise InputError(f"{path} is no checkpoint of a training; remove it to start anew.")
    return content


def check_checkpoint(path: Path, network: nn.Module) -> None:
    """Raise InputError if there is a checkpoint that cannot be read or holds another network."""
    if not path.is_file():
        return
    saved = read_checkpoint(path).get("network", {})
    own = network.state_dict()
    if saved.keys() != own.keys() or any(saved[name].shape != own[name].shape for name in own):
        raise InputError(
            f"The checkpoint {path} belongs to a training of another network; give channels, norm and the like as "
            "there, or another output_dir."
        )
