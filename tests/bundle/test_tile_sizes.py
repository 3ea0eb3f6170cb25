"""The training tile follows the network: a training, an exported bundle and its metadata agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workflows import BUNDLE, SHORT, run

from unetpipe.bundle.models import export_model
from unetpipe.bundle.safe import export_safe
from unetpipe.bundle.settings import recipe_configs
from unetpipe.bundle.tile_sizes import tile_sizes
from unetpipe.bundle.writing import read_configs
from unetpipe.errors import InputError

HALVED = {"network_class": "unetpipe.networks.HalvedUNet"}


@pytest.mark.parametrize(
    ("recipe", "values", "expected"),
    [
        (None, {}, (444, 260, 16)),
        (None, {"channels": [1, 2, 3, 4]}, (348, 260, 8)),
        (None, HALVED, (632, 262, 32)),
        (None, {**HALVED, "network_def#norm": None}, (632, 262, 32)),
        (None, {**HALVED, "tile": 376}, (376, 6, 32)),
        ("paper", HALVED, (760, 390, 32)),
        ("nuclei", {**HALVED, "channels": [1] * 5}, (632, 262, 32)),
        ("endothelium", {**HALVED, "channels": [1] * 5}, (536, 166, 32)),
        ("lungs", {**HALVED, "channels": [1] * 5}, (440, 70, 32)),
        ("lungs", {"channels": [1] * 5}, (252, 68, 16)),
    ],
)
def test_a_tile_returns_as_many_pixels_as_that_of_the_recipe(
    recipe: str | None, values: dict, expected: tuple[int, int, int]
) -> None:
    config = read_configs(recipe_configs(BUNDLE, [recipe] if recipe else []))
    assert tile_sizes(config, values) == expected


def test_a_tile_that_does_not_fit_is_one_sentence() -> None:
    config = read_configs(recipe_configs(BUNDLE, []))
    for training, values in (({**config, "tile": 445}, {}), (config, {"tile": 445})):
        with pytest.raises(InputError, match="tile=445: An input side of 445 pixels does not fit"):
            tile_sizes(training, values)
    with pytest.raises(InputError, match="network_def is of class dict, which does not say its sizes"):
        tile_sizes(config, {"network_def": {}})


@pytest.mark.parametrize("export", [export_model, export_safe])
def test_an_exported_model_trains(export, synthetic: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    export(BUNDLE, bundle, "fluo_msc")
    formats = json.loads((bundle / "configs" / "metadata.json").read_text())["network_data_format"]
    assert formats["inputs"]["image"]["spatial_shape"] == ["632 + 32*(n-1)"] * 2
    assert formats["outputs"]["pred"]["spatial_shape"] == ["262 + 32*(n-1)"] * 2
    settings = {**SHORT, "max_epochs": 1, "num_workers": 0, "progress": False, "dataset_dir": str(synthetic)}
    made = run(["train.json"], bundle, output_dir=str(tmp_path / "out"), **settings)
    assert type(made.parser.get_parsed_content("network_def")).__name__ == "HalvedUNet"
    assert made.parser["tile"] == 632


def test_a_model_is_evaluated_whatever_the_tile_of_the_training(synthetic: Path, tmp_path: Path) -> None:
    configs = ["train.json", "evaluate.json", "../models/fluo_msc/inference.json"]
    run(configs, dataset_dir=str(synthetic), output_dir=str(tmp_path), progress=False)
    assert (tmp_path / "scores.json").is_file()
