"""The recipes of the paper's data sets: each trains, chooses its thresholds, and evaluates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from membranes import membranes
from workflows import SMALL, run, workflow

from unetpipe.instances import InstanceSettings

# a tile that each network takes
NARROW = {**SMALL, "tile": 64, "max_epochs": 1, "steps_per_epoch": 2, "val_interval": 1, "dropout": 0.0}


@pytest.mark.parametrize(
    "recipe", ["dic_hela.json", "phc_u373.json", "fluo_gowt1.json", "fluo_sim.json", "fluo_msc.json"]
)
def test_recipe_of_cells_trains(recipe: str, synthetic: Path, tmp_path: Path) -> None:
    run(["train.json", recipe], dataset_dir=str(synthetic), output_dir=str(tmp_path), **NARROW)
    values = json.loads((tmp_path / "configs" / "inference.json").read_text())
    assert InstanceSettings(values["threshold"], values["marker_threshold"]).cuts
    assert values["pixel_size"] == workflow(["train.json", recipe]).parser.get("pixel_size")


def test_pasted_cells_choose_and_are_not_scored() -> None:
    chosen = workflow(["train.json", "phc_u373.json"]).parser
    assert [each["_target_"] for each in chosen["validate#cell_transforms"]] == ["unetpipe.transforms.PasteCellsd"]
    steps = chosen.get_parsed_content("validate#preprocessing").transforms
    assert [type(step).__name__ for step in steps] == [
        *("ReadImaged", "ReadTruthd", "Perturbd", "NormalizeIntensityd", "PasteCellsd")
    ]
    scored = workflow(["train.json", "phc_u373.json", "evaluate.json"]).parser
    assert len(scored.get_parsed_content("validate#preprocessing").transforms) == 4


def test_membranes_are_chosen_by_rand_and_scored_with_all_measures(tmp_path: Path) -> None:
    data = str(membranes(tmp_path / "data"))
    trained = tmp_path / "trained"
    split = {"train_frames": "0-1", "val_frames": "2"}
    made = run(["train.json", "isbi2012.json"], dataset_dir=data, output_dir=str(trained), **split, **NARROW)
    evaluator = made.parser.get_parsed_content("validate#evaluator")
    assert 0 <= evaluator.state.metrics["val_rand"] <= 1
    values = json.loads((trained / "configs" / "inference.json").read_text())
    recipe = workflow(["train.json", "isbi2012.json"]).parser
    for chosen in ("threshold", "marker_threshold", "merge_threshold"):
        assert values[chosen] in recipe.get(f"{chosen}s")
    run(
        ["train.json", "evaluate.json"],
        trained,
        output_dir=str(tmp_path / "scores"),
        eval_frames="2",
        progress=False,
    )
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert {"pixel_error", "rand_error", "warping_error", "v_rand_mean", "v_info"} <= set(json.dumps(scores).split('"'))
