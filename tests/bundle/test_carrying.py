"""The trained bundle says what training was really done with."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from workflows import BUNDLE, SHORT, SMALL, workflow

from unetpipe import Predictor
from unetpipe.bundle.carrying import carry_over, plain_config
from unetpipe.bundle.command_line import check_keys
from unetpipe.errors import InputError


def carried(settings: dict | None = None, overlays: tuple[str, ...] = (), **overrides) -> tuple[dict, dict, dict]:
    """Return train.json and inference.json after a training with overlays and overrides, and the settings."""
    names = ("train.json", "inference.json", "multi_gpu_train.json")
    configs = {name: json.loads((BUNDLE / "configs" / name).read_text()) for name in names}
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("train.json", *overlays)])
    parser.update(overrides)
    parser.parse()
    settings = dict(settings or {"channels": [8, 16], "normalization": "NormalizeIntensityd"})
    carry_over(configs, plain_config(parser.get()), settings)
    return configs["train.json"], configs["inference.json"], settings


def test_nothing_changes_without_overrides() -> None:
    for overlays in ((), ("multi_gpu_train.json",)):
        train, inference, _ = carried(None, overlays, output_dir="x", device="cpu", num_workers=0)
        assert train == json.loads((BUNDLE / "configs" / "train.json").read_text())
        assert inference == json.loads((BUNDLE / "configs" / "inference.json").read_text())


def test_a_part_of_the_network_goes_where_it_belongs() -> None:
    train, inference, settings = carried(**{"network_def#channels": [2, 4], "network_def#dropout": 0.4})
    assert settings["channels"] == [2, 4]
    assert train["network_def"]["channels"] == inference["network_def"]["channels"] == "@channels"
    assert train["network_def"]["dropout"] == 0.4
    assert "dropout" not in inference["network_def"]


def test_a_part_of_the_normalisation_is_that_of_inference_too() -> None:
    _, inference, settings = carried(**{"normalize#_target_": "ScaleIntensityd", "normalize#minv": 0.5})
    assert settings["normalization"] == "ScaleIntensityd"
    assert inference["normalize"]["minv"] == 0.5
    assert inference["normalize"]["_target_"] == "@normalization"


WINDOW = {"_target_": "SlidingWindowInferer", "roi_size": ["@tile", "$@tile // 2"], "overlap": 0.25}


@pytest.mark.parametrize(
    "changes",
    [
        {"validate#inferer#inferer": WINDOW},
        {"validate#inferer": WINDOW},
        {"window": WINDOW, "validate#inferer#inferer": "@window"},
    ],
    ids=["in AutocastInferer", "alone", "by its key"],
)
def test_another_inferer_that_validated_segments_too(changes: dict) -> None:
    _, inference, _ = carried(**{"tile": 96, **changes})
    assert inference["tiles"]["inferer"] == changes.get("validate#inferer#inferer", WINDOW)
    assert inference.get("window") == changes.get("window")
    assert inference["tile"] == 96


def test_another_inferer_may_refer_to_a_key_that_only_training_has() -> None:
    train, inference, _ = carried(**{"validate#inferer#inferer": {**WINDOW, "progress": "@show_bars"}})
    assert inference["show_bars"] == train["show_bars"]
    assert inference["progress"] is True  # show_bars refers to it, and inference has its own


def test_inference_keeps_its_own_choice_of_tiles() -> None:
    _, inference, _ = carried(**{"validate#inferer#inferer#roi_size": 96})
    assert inference == json.loads((BUNDLE / "configs" / "inference.json").read_text())


def test_another_inferer_is_changed_by_the_next_training() -> None:
    train, inference, _ = carried(**{"tile": 96, "validate#inferer#inferer": WINDOW})
    configs = {"train.json": train, "inference.json": inference}
    running = copy.deepcopy(train)
    running["validate"]["inferer"]["inferer"]["overlap"] = 0.5
    carry_over(configs, running, {})
    assert inference["tiles"]["inferer"] == {**WINDOW, "overlap": 0.5}


def test_a_recipe_is_carried_with_the_order_of_its_transforms() -> None:
    train, inference, _ = carried(None, ("isbi2012.json",))
    before = json.loads((BUNDLE / "configs" / "inference.json").read_text())
    assert train["train"]["random_transforms"]["elastic"]["spacing"] == [64, 64]
    assert train["thresholds"] == [0.05, 0.1, 0.2]
    assert inference == {**before, "channels": [24, 48, 96, 192, 384], "ridge_refill_radius": 0.0}


def test_a_python_object_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    assert plain_config({"a": np.float32(0.5), "b": object(), "c": Path("x")}) == {"a": 0.5, "c": "x"}
    assert "The value of b cannot be written" in caplog.text


def test_the_trained_bundle_works_with_it(synthetic: Path, tmp_path: Path) -> None:
    """A YAML overlay and an override: the bundle normalises as its training did, and may be trained again."""
    overlay = tmp_path / "own.yaml"
    overlay.write_text("normalize#_target_: ScaleIntensityd\nnormalize#maxv: 2.0\ntrain#trainer#max_epochs: 1\n")
    made = ConfigWorkflow(
        [str(BUNDLE / "configs" / "train.json"), str(overlay)],
        logging_file=False,
        dataset_dir=str(synthetic),
        output_dir=str(tmp_path / "out"),
        **SMALL,
        **SHORT,
    )
    made.initialize()
    made.run()
    predictor = Predictor.load(tmp_path / "out")
    assert predictor.normalization == "ScaleIntensityd"
    image = predictor.normalize({"image": torch.arange(4.0).reshape(1, 2, 2)})["image"]
    assert (float(image.min()), float(image.max())) == (0.0, 2.0)
    again = workflow(["train.json"], tmp_path / "out", output_dir=str(tmp_path / "again"))
    again.initialize()
    assert again.parser.get_parsed_content("train#trainer").state.max_epochs == 1


def test_tracking_takes_monais_options(tmp_path: Path) -> None:
    config = str(BUNDLE / "configs" / "train.json")
    program = ["site-packages/monai/bundle/__main__.py", "run", "--experiment_name", "mine", "--run_name=a"]
    check_keys([*program, "--tracking", "mlflow"], [config])
    with pytest.raises(InputError, match="experiment_name"):
        check_keys(program, [config])


def test_tracking_finds_the_output_and_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handler = {"_target_": "StatsHandler"}
    engine = {"id": "train::trainer", "handlers": "train::handlers"}
    tracking = {"handlers_id": {"trainer": engine}, "configs": {"experiment_name": "mine", "trainer": handler}}
    made = ConfigWorkflow(str(BUNDLE / "configs" / "train.json"), logging_file=False, tracking=tracking, **SMALL)
    assert handler in made.parser["train#handlers"]
    saved = made.parser.get_parsed_content("save_execute_config")
    assert Path(saved).parent == Path("output")
    assert Path(saved).is_file()
    configs = {"train.json": json.loads((BUNDLE / "configs" / "train.json").read_text())}
    carry_over(configs, plain_config(made.parser.get()), dict.fromkeys(SMALL))
    assert configs["train.json"] == json.loads((BUNDLE / "configs" / "train.json").read_text())
