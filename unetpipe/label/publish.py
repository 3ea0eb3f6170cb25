"""Replace the served model by a trained one, only if it is better and only when training has ended without error."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from ignite.engine import Engine, Events

from unetpipe.bundle.models import add_model
from unetpipe.bundle.writing import read_config
from unetpipe.errors import InputError
from unetpipe.files import replacing
from unetpipe.handlers import WeightAverage
from unetpipe.networks import load_weights

logger = logging.getLogger(__name__)

PREVIOUS = "previous"


@contextmanager
def locked(bundle: str | os.PathLike) -> Iterator[None]:
    """Hold the lock of a bundle: no other process reads it while it changes, or changes it while it is read."""
    path = Path(bundle)
    with FileLock(path.parent / f".{path.name}.lock"):
        yield


def publish(trained: str | os.PathLike, served: str | os.PathLike) -> None:
    """Replace the weights and configs of a served bundle by those of a trained one.

    The old model stays as the model ``previous`` of the bundle (``unetpipe segment --model previous``).

    Parameters
    ----------
    trained, served : path
        Folders of the two bundles.
    """
    source, target = Path(trained), Path(served)
    with locked(target):
        add_model(target, target, PREVIOUS)
        _copy(target / "models" / "model.pt", target / "models" / PREVIOUS / "model.pt")  # the exact weights
        for config in sorted((source / "configs").glob("*.json")):
            _copy(config, target / "configs" / config.name)
        _copy(source / "models" / "model.pt", target / "models" / "model.pt")


class PublishBetter:
    """Trainer handler that scores the served weights first, and publishes the new ones at the end if they are better.

    Parameters
    ----------
    average : WeightAverage
        Holds the network that is trained and the averaged one that is validated.
    evaluator : Engine
        Validates the averaged network, and writes the best one so far to ``trained``.
    metric : BestThresholdMetric
        Scores the validation images at the best of several thresholds.
    trained, served : path
        Folders of the two bundles.
    """

    def __init__(
        self,
        average: WeightAverage,
        evaluator: Engine,
        metric: Any,
        trained: str | os.PathLike,
        served: str | os.PathLike,
    ) -> None:
        self.average = average
        self.evaluator = evaluator
        self.metric = metric
        self.trained = trained
        self.served = served
        self.before = self.after = -math.inf

    def attach(self, engine: Engine) -> None:
        """Score before the first step; publish after the last."""
        engine.add_event_handler(Events.STARTED, self.score)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def score(self, engine: Engine) -> None:
        """Validate the served weights, whatever training starts from; a new model has to be better than both scores.

        The first score uses the thresholds and the smallest size with which the weights are served. The second uses
        the choices of the training, and those thresholds besides.
        """
        load_weights(self.average.network, Path(self.served) / "models" / "model.pt")
        values = read_config(Path(self.served) / "configs" / "inference.json")
        choices, settings = self.metric.choices, getattr(self.metric, "settings", None)  # Dice counts no cells
        as_served = {key: values.get(key) for key in self.metric.best}
        self.metric.choices = [as_served]
        if settings is not None:
            self.metric.settings = [replace(settings[0], **as_served, min_size=values["min_size"])]
        self.evaluator.run()
        if as_served not in choices:
            choices = [*choices, as_served]
            settings = None if settings is None else [*settings, replace(settings[0], **as_served)]
        self.metric.choices = choices
        if settings is not None:
            self.metric.settings = settings
        self.evaluator.run()
        state = self.evaluator.state
        self.before = state.best_metric  # type: ignore[attr-defined]
        state.best_metric_epoch = 0  # type: ignore[attr-defined]
        if not state.metrics[state.key_metric_name] >= 0:  # type: ignore[attr-defined]
            raise InputError("The labels that validate hold no cell; label more images.")
        self.evaluator.add_event_handler(Events.COMPLETED, self._note)

    def finish(self, engine: Engine) -> None:
        """Publish if an epoch was better, and log both scores."""
        better = self.after > self.before
        if better:
            publish(self.trained, self.served)
        name = self.evaluator.state.key_metric_name  # type: ignore[attr-defined]
        end = "the new model is served" if better else "the old model stays"
        logger.info("%s %.4f before, %.4f after: %s", name, self.before, self.after, end)

    def _note(self, evaluator: Engine) -> None:
        score = evaluator.state.metrics[evaluator.state.key_metric_name]  # type: ignore[attr-defined]
        self.after = max(self.after, score)


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
