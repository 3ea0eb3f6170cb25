"""Train and score one row with one seed, unless the result is there already."""

from __future__ import annotations

import gc
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

from monai.bundle import ConfigParser, ConfigWorkflow

from experiments.ablation.datasets import Dataset
from experiments.ablation.scoring import score_bundle
from experiments.ablation.variants import FOLDER, Row, read_overlays
from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError
from unetpipe.files import write_text
from unetpipe.handlers.checkpoint import read_checkpoint

CHATTY = ("train#named_handlers#log", "train#named_handlers#step_times", "validate#named_handlers#log")
# it warns that there is no logging file, and that the configs lie in several folders
logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)


class Job(NamedTuple):
    """One training and scoring of the table; ``folder`` holds ``result.json`` when it is done."""

    row: Row
    seed: int
    dataset: Dataset
    budget: Path
    output: Path

    @property
    def folder(self) -> Path:
        """Where the job writes."""
        return self.output / self.row.name / f"seed{self.seed}"

    @property
    def training(self) -> Job:
        """The job whose training this one scores."""
        return self._replace(row=Row("full", "")) if self.row.inference_only else self

    @property
    def overlays(self) -> list[Path]:
        """Overlays on ``train.json``, in their order."""
        return [FOLDER / "run.json", self.budget, *self.row.overlays]

    def settings(self) -> dict[str, Any]:
        """Return everything that the result depends on, for ``job.json``."""
        return {
            "overlays": read_overlays(self.overlays),
            "dataset": str(self.dataset.folder.resolve()),
            "split": self.dataset.split,
            "scored": self.dataset.scored,
            "seed": self.seed,
        }

    def result(self) -> dict[str, Any] | None:
        """Return the scores, or None if they are not computed yet.

        Raises
        ------
        InputError
            If the folder holds a result of other settings.
        """
        settings, stored = json.loads(json.dumps(self.settings())), self.folder / "job.json"
        if stored.is_file() and json.loads(stored.read_text(encoding="utf-8")) != settings:
            raise InputError(f"{self.folder} was computed with other settings; choose another --output, or remove it.")
        path = self.folder / "result.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def run(self) -> dict[str, Any]:
        """Return the scores; if they are missing, train or continue the training, and score."""
        done = self.result()
        if done is not None:
            return done
        write_text(self.folder / "job.json", json.dumps(self.settings(), indent=4) + "\n")
        self.training.train()
        settings = {**self.dataset.scored, "dataset_dir": str(self.dataset.folder)}
        if self.row.inference_only:  # evaluate.json has these keys too, and comes after the overlays
            settings |= read_overlays(self.row.overlays)
        gc.collect()  # the objects of a training refer to each other, and hold the cached frames
        scores = score_bundle(self.training.folder, self.training.overlays, settings)
        write_text(self.folder / "result.json", json.dumps(scores, indent=4) + "\n")
        return scores

    def train(self) -> None:
        """Train to the end, from the last complete epoch if there is one; do nothing if the training is finished."""
        bundle = find_bundle()
        configs = [str(bundle / "configs" / "train.json"), *map(str, self.overlays)]
        last = self.folder / "checkpoints" / "last.pt"
        if last.is_file() and read_checkpoint(last)["epoch"] >= _max_epochs(configs):
            return
        logging.getLogger("ignite").setLevel(logging.WARNING)
        workflow = ConfigWorkflow(
            config_file=configs,
            meta_file=str(bundle / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="train",
            bundle_root=str(bundle),
            dataset_dir=str(self.dataset.folder),
            output_dir=str(self.folder),
            seed=self.seed,
            **self.dataset.split,
        )
        for handler in CHATTY:  # a line for each result is enough
            workflow.parser[f"{handler}#_disabled_"] = True
        workflow.initialize()
        workflow.run()


def _max_epochs(configs: list[str]) -> int:
    return int(ConfigParser.load_config_files(configs)["max_epochs"])
