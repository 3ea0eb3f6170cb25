"""The promise to users: a bundle that this version trained keeps segmenting, evaluating and resuming.

``tests/trained_bundle`` was written by ``python tests/make_trained_bundle.py``. A change that breaks one of these tests
breaks the bundles that users have trained.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from make_trained_bundle import FOLDER, QUIETLY
from workflows import run

from unetpipe.io import read_image, read_labels
from unetpipe.predictor import Predictor

DATA = FOLDER / "data"
IMAGES = sorted((DATA / "images").glob("*.png"))
LARGEST = 300_000  # bytes of weights and checkpoint


def test_it_segments_from_python() -> None:
    predictor = Predictor.load(FOLDER, amp=False)
    for image in IMAGES:
        result = predictor(read_image(image)[0])
        np.testing.assert_array_equal(result, read_labels(FOLDER / "expected" / image.name), err_msg=image.name)


def test_it_segments_a_folder(tmp_path: Path) -> None:
    run(["inference.json"], FOLDER, dataset_dir=str(DATA), output_dir=str(tmp_path), amp=False, progress=False)
    for image in IMAGES:
        (mask,) = tmp_path.rglob(f"{image.stem}*.tif")
        np.testing.assert_array_equal(read_labels(mask), read_labels(FOLDER / "expected" / image.name))


def test_it_evaluates(tmp_path: Path) -> None:
    arguments = {"dataset_dir": str(DATA), "output_dir": str(tmp_path), "amp": False, "progress": False}
    run(["train.json", "evaluate.json"], FOLDER, **arguments)
    scores = json.loads((tmp_path / "scores.json").read_text())
    stored = json.loads((FOLDER / "expected" / "scores.json").read_text())
    assert {name: scores[name] for name in stored} == pytest.approx(stored, abs=1e-6)
    assert stored["SEG"] > 0


def test_it_resumes(tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(FOLDER, tmp_path / "bundle"))
    before = torch.load(bundle / "checkpoints" / "last.pt", weights_only=True)
    epochs = before["epoch"] + 1
    arguments = {"dataset_dir": str(DATA), "output_dir": str(bundle), **QUIETLY}
    run(["train.json"], bundle, **arguments, max_epochs=epochs, val_interval=epochs, resume=True)
    after = torch.load(bundle / "checkpoints" / "last.pt", weights_only=True)
    assert after["epoch"] == epochs
    assert after["best_metric"] >= before["best_metric"]
    steps = json.loads((FOLDER / "configs" / "train.json").read_text())["steps_per_epoch"]
    assert after["lr_scheduler"]["last_epoch"] == before["lr_scheduler"]["last_epoch"] + 1
    assert after["weight_average"]["n_averaged"] == before["weight_average"]["n_averaged"] + steps
    assert not torch.equal(after["network"]["classify.weight"], before["network"]["classify.weight"])


def test_it_is_small_and_names_no_path() -> None:
    assert sum((FOLDER / name).stat().st_size for name in ("models/model.pt", "checkpoints/last.pt")) < LARGEST
    for config in (FOLDER / "configs").glob("*.json"):
        assert not re.search(r'"(/|~|[A-Z]:\\)', config.read_text()), config
    assert json.loads((FOLDER / "configs" / "train.json").read_text())["dataset_dir"] == "data"
