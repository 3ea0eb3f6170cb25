"""What holds for every overlay of ``train.json`` as it ships: the tile fits, and keys say what the transforms do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from workflows import BUNDLE, workflow

NO_OVERLAYS = {"train", "inference", "metadata"}
NO_OVERLAYS_OF_TRAINING = {"train", "evaluate", "inference", "metadata", "lungs_ct", "multi_gpu_evaluate"}
OWN_CHAIN = ["n4.json", "n4_fovea.json", "autoencoder.json"]
BELOW = {
    "lungs_ct.json": ["inference.json"],
    "multi_gpu_evaluate.json": ["train.json", "evaluate.json"],
    "n4_fovea.json": ["train.json", "n4.json"],
}
ALL = sorted(path.name for path in (BUNDLE / "configs").glob("*.json") if path.stem not in NO_OVERLAYS)
OVERLAYS = sorted(path.name for path in (BUNDLE / "configs").glob("*.json") if path.stem not in NO_OVERLAYS_OF_TRAINING)


def recipe(overlay: str, **overrides: Any) -> ConfigParser:
    below = ["n4.json"] if overlay == "n4_fovea.json" else []
    return workflow(["train.json", *below, overlay], **overrides).parser


def random_transforms(parser: ConfigParser) -> dict[str, Any]:
    transforms = parser.get_parsed_content("train#random_transforms").values()
    arrays = [getattr(transform, "transform", transform) for transform in transforms]
    return {type(transform).__name__: transform for transform in arrays}


AMOUNTS = {
    "zoom": lambda made: made["RandElastic2Dd"].grid.affine.scale_range,
    "shading": lambda made: made["RandBatchShading"].amplitude,
    "blur_prob": lambda made: made["RandBatchBlur"].prob,
    "noise_std": lambda made: made["RandBatchNoise"].std,
    "field_of_view_prob": lambda made: made["RandBatchFieldOfViewd"].prob,
    "ground_prob": lambda made: made["RandBatchFieldOfViewd"].ground_prob,
}


@pytest.mark.parametrize("overlay", sorted(set(OVERLAYS) - set(OWN_CHAIN)))
def test_amounts_are_what_the_keys_say(overlay: str) -> None:
    for asked in ({}, {key: 0.01 * number for number, key in enumerate(AMOUNTS, start=31)}):
        keys = recipe(overlay, **asked)
        made = random_transforms(keys)
        for key, amount in AMOUNTS.items():
            assert amount(made) in (keys[key], [keys[key]], (keys[key],)), key
            assert keys[key] == asked.get(key, keys[key])


@pytest.mark.parametrize("overlay", OWN_CHAIN)
def test_amounts_of_a_chain_that_has_nothing_of_the_kind_are_0(overlay: str) -> None:
    keys = recipe(overlay)
    assert [keys[key] for key in AMOUNTS] == [0] * len(AMOUNTS)
    assert not {"RandBatchShading", "RandBatchBlur", "RandBatchNoise", "RandBatchFieldOfViewd"} & set(
        random_transforms(keys)
    )


def test_a_validation_whose_frames_are_not_perturbed_asks_for_no_copies() -> None:
    """The chain of such a recipe would score plain frames twice."""
    for overlay in OVERLAYS:
        keys = recipe(overlay)
        names = {type(step).__name__ for step in keys.get_parsed_content("validate#preprocessing").transforms}
        assert "Perturbd" in names or keys["perturbed_frames"] == 0, overlay


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_takes_the_tile(overlay: str) -> None:
    parser = recipe(overlay)
    network, tile = parser.get_parsed_content("network_def"), parser["tile"]
    network.check_size(tile, tile)
    assert network.output_size(tile) == tile - 2 * network.margin > 0


def test_no_overlay_names_a_part_by_its_place_in_a_list() -> None:
    experiments = Path(__file__).parents[2] / "experiments"
    overlays = [*(BUNDLE / "configs").glob("*.json"), *experiments.rglob("*.json")]
    keys = {key for overlay in overlays for key in json.loads(overlay.read_text())}
    assert [key for key in keys if re.search(r"#\d", key)] == []


@pytest.mark.parametrize("overlay", ALL)
def test_every_key_of_an_overlay_is_a_place_in_the_config_below(overlay: str) -> None:
    """A name that is misspelt would add a part that nothing reads, and say nothing."""
    below = BELOW.get(overlay, ["train.json"])
    parser = ConfigParser(ConfigParser.load_config_files([str(BUNDLE / "configs" / name) for name in below]))
    keys = [key for key in json.loads((BUNDLE / "configs" / overlay).read_text()) if "#" in key]
    optional = {"sampler", "rank", "skips", "network", "progress", "_disabled_"}  # arguments that have a default
    for key in keys:
        place, _, name = key.rpartition("#")
        assert key in parser or (place in parser and (name in optional or place == "settings")), key


@pytest.mark.parametrize("optimizer", ["Adam", "RMSprop", "Adagrad"])
def test_another_optimizer_takes_the_same_arguments(optimizer: str) -> None:
    parser = workflow(["train.json"], dataset_dir="unused", device="cpu").parser
    parser["optimizer#_target_"] = f"torch.optim.{optimizer}"
    assert type(parser.get_parsed_content("optimizer")).__name__ == optimizer


def test_named_handlers_are_what_the_lists_hold_once() -> None:
    parser = workflow(["train.json"], dataset_dir="unused", min_size=0, progress=True).parser
    parser["train#dataset"], parser["validate#dataset"] = {"data": []}, [0]
    parser["validate#named_handlers#bundle_saver#facts"] = None  # it would read the frames
    for part in ("train", "validate"):
        (named,) = parser.get_parsed_content(f"{part}#handlers")
        for name in parser[f"{part}#named_handlers"]:
            assert named.handlers[name] is parser.get_parsed_content(f"{part}#named_handlers#{name}")
