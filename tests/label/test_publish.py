"""A better model takes the place of the served one; a worse one, or half a training, does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from workflows import SMALL, workflow

import unetpipe
from unetpipe.bundle.models import export_model
from unetpipe.instances import InstanceSettings
from unetpipe.label.publish import PREVIOUS, PublishBetter, publish
from unetpipe.networks import UNet, read_weights


@pytest.fixture
def served(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "served"))


def retrain(served: Path, synthetic: Path, **overrides: object) -> None:
    """Train as the server does, on the frames of the synthetic set."""
    pairs = [
        {"image": str(image), "label": str(synthetic / "01_GT" / "SEG" / image.name.replace("t", "man_seg", 1))}
        for image in sorted((synthetic / "01").glob("t*.tif"))
    ]
    better = {
        "_target_": "unetpipe.label.publish.PublishBetter",
        "average": "@weight_average",
        "evaluator": "@validate#evaluator",
        "metric": "@validate#metric",
        "trained": str(served.parent / "training"),
        "served": str(served),
    }
    load = {
        "_target_": "CheckpointLoader",
        "load_path": str(served / "models" / "model.pt"),
        "load_dict": {"model": "@network"},
    }
    made = workflow(
        ["train.json"],
        served,
        **{**SMALL, "output_dir": str(served.parent / "training"), "val_interval": 1, "preflight": None, **overrides},
        **{"train#dataset#data": pairs[:2], "validate#dataset#data": pairs[2:]},
    )
    handlers = made.parser.config["train"]["handlers"]
    handlers.insert(0, load)
    handlers.append(better)
    made.initialize()
    made.run()


def test_publish_keeps_the_previous_model(trained: Path, served: Path, synthetic: Path):
    before = (served / "models" / "model.pt").read_bytes()
    (trained_again := Path(shutil.copytree(trained, served.parent / "again"))).joinpath("LICENSE").unlink()
    state = {name: value * 2 for name, value in read_weights(trained / "models" / "model.pt").items()}
    unetpipe.networks.weights.save_state(state, trained_again / "models" / "model.pt")
    image = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    old = unetpipe.segment(image, served)
    publish(trained_again, served)
    assert (served / "models" / "model.pt").read_bytes() == (trained_again / "models" / "model.pt").read_bytes()
    assert (served / "models" / PREVIOUS / "model.pt").read_bytes() == before
    np.testing.assert_array_equal(unetpipe.segment(image, served, model=PREVIOUS), old)


def test_a_worse_model_stays_out(served: Path, synthetic: Path):
    before = (served / "models" / "model.pt").read_bytes()
    retrain(served, synthetic, max_epochs=1, steps_per_epoch=1, learning_rate=10.0)
    assert (served / "models" / "model.pt").read_bytes() == before
    assert not (served / "models" / PREVIOUS).exists()


def test_the_served_weights_count_as_they_are_served_and_as_training_would_choose(served: Path, tmp_path: Path):
    config = served / "configs" / "inference.json"
    values = {**json.loads(config.read_text()), "threshold": 0.15, "marker_threshold": None, "min_size": 77}
    config.write_text(json.dumps(values))
    as_served = {"threshold": 0.15, "marker_threshold": None}
    choices = [{"threshold": 0.5, "marker_threshold": 0.8}]
    scores, asked = iter([0.7, 0.6]), []
    trying = InstanceSettings(**choices[0], min_size=5)
    metric = SimpleNamespace(choices=choices, settings=[trying], best=choices[0])
    state = SimpleNamespace(best_metric=-1, metrics={}, key_metric_name="val_seg")

    def validate() -> None:
        asked.append((metric.choices, metric.settings))
        state.metrics["val_seg"] = next(scores)
        state.best_metric = max(state.best_metric, state.metrics["val_seg"])

    average = SimpleNamespace(network=UNet(1, 2, values["channels"], norm=values["norm"]))
    evaluator = SimpleNamespace(run=validate, state=state, add_event_handler=lambda event, handler: None)
    handler = PublishBetter(average, evaluator, metric, tmp_path, served)
    handler.score(None)
    assert asked == [
        ([as_served], [InstanceSettings(**as_served, min_size=77)]),
        ([*choices, as_served], [trying, InstanceSettings(**as_served, min_size=5)]),
    ]
    assert handler.before == 0.7


def test_a_better_model_takes_over_at_the_end(served: Path, synthetic: Path):
    before = (served / "models" / "model.pt").read_bytes()
    retrain(served, synthetic, max_epochs=4, steps_per_epoch=40, learning_rate=0.005)
    assert (served / "models" / "model.pt").read_bytes() != before
    assert (served / "models" / PREVIOUS / "model.pt").read_bytes() == before


def test_folders_whose_names_monai_would_evaluate(trained: Path, tmp_path: Path):
    served = Path(shutil.copytree(trained, tmp_path / "$served@#1"))
    publish(trained, served)
    export_model(served, tmp_path / "%previous#1", PREVIOUS)
    exported = read_weights(tmp_path / "%previous#1" / "models" / "model.pt")
    for name, value in read_weights(trained / "models" / "model.pt").items():
        assert (exported[name] == value).all()
