"""Handlers by name, so that a config can change one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine


class NamedHandlers:
    """Attach several handlers to an engine, in their order.

    A list in a config can be changed only by position. A mapping can be changed by name:
    ``train#named_handlers#progress_bar#_disabled_`` turns off one handler, wherever it stands. MONAI and MONAI Label
    read ``train#handlers`` as a list of dictionaries, so the list holds this one.

    Parameters
    ----------
    handlers : mapping
        Handlers by name. Each has a method ``attach(engine)``.

    Examples
    --------
    >>> from ignite.engine import Engine
    >>> from unetpipe.handlers import EpochLoss, StepTimes
    >>> trainer = Engine(lambda engine, batch: [{"loss": batch}])
    >>> NamedHandlers({"loss": EpochLoss(), "times": StepTimes()}).attach(trainer)
    >>> state = trainer.run([1.0, 2.0])
    >>> state.metrics["train_loss"], "step_seconds" in state.metrics
    (1.5, True)
    """

    def __init__(self, handlers: Mapping[str, Any]) -> None:
        self.handlers = handlers

    def attach(self, engine: Engine) -> None:
        """Attach each handler."""
        for handler in self.handlers.values():
            handler.attach(engine)
