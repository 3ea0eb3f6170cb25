"""Retrain the model from the labels, in a separate process, while the old model is served."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monailabel.tasks.train.bundle import BundleTrainTask
from monailabel.utils.others.generic import device_list

from unetpipe.bundle.settings import as_text
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.label.hold_out import hold_out
from unetpipe.label.parameters import check_training, find_device
from unetpipe.label.studies import Studies
from unetpipe.training import one_line_mistakes

DEFAULTS = {"max_epochs": 20, "steps_per_epoch": 100, "learning_rate": 0.0003, "val_split": 0.2}
FIXED = {"multi_gpu": False, "model_filename": "model.pt", "run_id": "run", "tracking": "None"}


class RetrainTask(BundleTrainTask):
    """Train the bundle in ``path`` by its own ``train.json``, from its current weights, on the labels tagged "final".

    A request may have "max_epochs", "steps_per_epoch", "learning_rate", "val_split" (share of the labelled images
    that validate; at least one does, and a single one both trains and validates), "pretrained" (false begins
    from random weights) and "device". The served model changes only at the end, and only if the new one is better
    (:class:`unetpipe.label.publish.PublishBetter`).
    """

    def __call__(self, request: dict[str, Any], datastore: Studies) -> dict[str, Any]:
        """Train; a mistake of the user ends the process with one sentence."""
        self.bundle_config = self._load_bundle_config(self.bundle_path, self.bundle_config_path)
        self.request = {**DEFAULTS, **request}
        one_line_mistakes()
        check_training(self.request)
        known = {key: self.request[key] for key in ("model", *self.config()) if key in self.request}
        return super().__call__({**known, **FIXED, "device": find_device(known.get("device"))}, datastore)

    def config(self) -> dict[str, Any]:
        """Return what a request may have, with its defaults."""
        return {"device": device_list(), "pretrained": True, **DEFAULTS}

    def _fetch_datalist(self, request: dict[str, Any], datastore: Studies) -> list[Record]:
        return datastore.pairs()

    def _partition_datalist(
        self, datalist: Sequence[Record], request: dict[str, Any], shuffle: bool = False
    ) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        if not datalist:
            raise InputError("No image has a label yet; label one, and save it, first.")
        memory = Path(self.bundle_path).parent / "validation.json"
        train, val = hold_out(datalist, self.request["val_split"], memory)
        return tuple(train), tuple(val)  # MONAI's parser evaluates the strings of lists, and leaves tuples alone

    def _load_checkpoint(self, model_pytorch: str, pretrained: bool, train_handlers: list[dict[str, Any]]) -> None:
        if pretrained:
            super()._load_checkpoint(model_pytorch, pretrained, train_handlers)
            for handler in train_handlers:
                if "load_path" in handler:
                    handler["load_path"] = as_text(handler["load_path"])

    def _update_overrides(self, overrides: dict[str, Any]) -> dict[str, Any]:
        trained = Path(self.bundle_path).parent.parent / "training"
        shutil.rmtree(trained, ignore_errors=True)  # what an interrupted training left
        overrides["train#handlers"].append(
            {
                "_target_": "unetpipe.label.publish.PublishBetter",
                "average": "@weight_average",
                "evaluator": "@validate#evaluator",
                "metric": "@validate#metric",
                "trained": as_text(trained),
                "served": as_text(self.bundle_path),
            }
        )
        overrides.update(
            {key: self.request[key] for key in ("steps_per_epoch", "learning_rate")},
            bundle_root=as_text(self.bundle_path),
            output_dir=as_text(trained),
            min_size={"_target_": "unetpipe.datasets.smallest_cell", "records": "@train#dataset#data"},
            val_interval=1,
            hold_out=True,
            resume=False,
            progress=False,  # a status shows 20 lines: none for a progress bar
            report="$None",  # the answer is in the status of the training
        )
        return overrides
