"""Write the trained bundle during training, each time validation finds a better model."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ignite.engine import Engine, Events
from monai.utils import convert_to_numpy
from torch import Tensor, nn

from unetpipe.bundle.carrying import plain_config
from unetpipe.bundle.command_line import trains_for_monai_label
from unetpipe.bundle.models import TRAINED_ON
from unetpipe.bundle.running import running_parser
from unetpipe.bundle.writing import check_bundle, write_bundle
from unetpipe.files import replacing_files
from unetpipe.inferers.overlap_tile import unwrap
from unetpipe.instances.trained_on import TrainedOn, doubt
from unetpipe.networks import save_state
from unetpipe.networks.weights import check_finite
from unetpipe.training.facts import TrainingFacts
from unetpipe.transforms.perturbed import perturbation_of

logger = logging.getLogger(__name__)

WRITTEN_LAST = ("models/model.pt", "configs/inference.json")  # weights, and the thresholds that belong to them


class ChoosingMetric(Protocol):
    """A metric that chooses settings, such as thresholds, on the validation frames: ``best`` holds them by key."""

    best: Mapping[str, Any]


class BundleSaver:
    """Write configs, docs and ``models/model.pt`` to ``output_dir`` whenever the key metric is the best so far.

    A key metric of 0 means that no cell was found. Then a warning is logged, each time.

    Attach it to the evaluator that validates. What a config or an override changed in the parts of ``train.json`` is
    written too (:mod:`unetpipe.bundle.carrying`). Inference and evaluation with the folder that it writes need no
    further argument. Where training continues before the scores are there (:class:`unetpipe.handlers.Validation`), a
    copy of the validated weights is kept until then.

    Parameters
    ----------
    network : Module
        The network whose weights are written.
    bundle_root, output_dir : path
        The bundle that is trained, and where the trained one goes.
    settings : mapping
        Values of the configs' top-level keys that were used (:func:`unetpipe.bundle.writing.write_bundle`).
        ``dataset_dir`` is made absolute, so that the folder runs from anywhere.
    metric : ChoosingMetric, optional
        The values in its ``best`` are written as well.
    keep_best : bool
        False writes after every validation, so that the last model is kept. Use it if no frame is held out:
        then validation cannot tell which model is the best.
    facts : TrainingFacts, optional
        What the training set is like. It is written with the highest doubt on a validation frame
        (:class:`unetpipe.instances.TrainedOn`), so that inference can say what does not fit.

    Raises
    ------
    InputError
        If ``bundle_root`` is not a bundle, so that no training ends without configs.
    """

    def __init__(
        self,
        network: nn.Module,
        bundle_root: str | os.PathLike,
        output_dir: str | os.PathLike,
        settings: Mapping[str, Any],
        metric: ChoosingMetric | None = None,
        keep_best: bool = True,
        facts: TrainingFacts | None = None,
    ) -> None:
        check_bundle(bundle_root)
        # the trained bundle does not keep MONAI Label's overrides
        parser = None if trains_for_monai_label() else running_parser()
        self.training = None if parser is None else plain_config(parser.get())
        self.network = network
        self.bundle_root = bundle_root
        self.output_dir = Path(output_dir)
        self.settings = settings
        self.metric = metric
        self.keep_best = keep_best
        self.facts = facts
        self._trained_on: TrainedOn | None = None
        self._doubts: list[float] = []
        self._validated: dict[str, Tensor] | None = None

    def attach(self, engine: Engine) -> None:
        """Call this handler after each validation, and keep the weights of one whose scores are not there yet."""
        engine.add_event_handler(Events.TERMINATE, self._keep_weights)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        if self.facts is not None:
            self._trained_on = self.facts.compute()
            engine.add_event_handler(Events.EPOCH_STARTED, self._doubts.clear)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._note_doubt)

    def __call__(self, engine: Engine) -> None:
        """Write the bundle if this epoch's key metric is the best, or every time."""
        validated, self._validated = self._validated, None
        name = engine.state.key_metric_name  # type: ignore[attr-defined]
        if engine.state.metrics[name] == 0:
            logger.warning(
                "%s is 0 after epoch %d: no cell of the validation frames was found at any threshold. If it stays 0, "
                "look at the outlines that unetpipe check draws, and validate on other frames or more cells.",
                name,
                engine.state.epoch,
            )
        if self.keep_best and engine.state.best_metric_epoch != engine.state.epoch:  # type: ignore[attr-defined]
            return
        chosen = self.metric.best if self.metric is not None else {}
        settings = {**self.settings, **chosen}
        settings[TRAINED_ON] = None  # not what the weights of the template were trained on
        if self._trained_on is not None:
            settings[TRAINED_ON] = replace(self._trained_on, doubt=max(self._doubts, default=None)).as_values()
        if Path(settings.get("dataset_dir", "")).is_dir():
            settings["dataset_dir"] = str(Path(settings["dataset_dir"]).resolve())
        network = unwrap(self.network)
        tile = settings["tile"]
        weights = network.state_dict() if validated is None else validated
        check_finite(weights, "The trained network")
        sizes = (tile, network.output_size(tile), network.step)
        with replacing_files(self.output_dir, WRITTEN_LAST) as beside:
            save_state(weights, beside / WRITTEN_LAST[0])
            write_bundle(self.bundle_root, beside, settings, sizes, self.training)
        logger.info(
            "%s %.4f with %s: bundle written to %s",
            name,
            engine.state.metrics[name],
            dict(chosen),
            self.output_dir,
        )

    def _keep_weights(self) -> None:
        """Keep a copy of the weights, which training changes before they are written."""
        self._validated = {name: value.detach().clone() for name, value in unwrap(self.network).state_dict().items()}

    def _note_doubt(self, engine: Engine) -> None:
        """Note how uncertain the network is on the validation frames, whose probabilities are the engine's output."""
        assert self._trained_on is not None
        for item in engine.state.output:  # type: ignore[union-attr]
            if perturbation_of(item["label"]):  # type: ignore[index]
                continue  # such a frame is not like those of the training
            probability = 1 - convert_to_numpy(item["pred"])[0]  # type: ignore[index]
            self._doubts.append(round(doubt(probability, self._trained_on.cell_areas[2]), 4))
