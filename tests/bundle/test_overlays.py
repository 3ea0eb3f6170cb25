"""What holds for every overlay of ``train.json`` as it ships: the tile fits, and keys say what the transforms do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from workflows import BUNDLE, workflow

NO_OVERLAYS_OF_TRAINING = {"train", "evaluate", "inference", "metadata", "lungs_ct", "multi_gpu_evaluate"}
WITHOUT_BLUR_AND_NOISE = ["n4.json", "n4_fovea.json", "autoencoder.json"]
OVERLAYS = sorted(path.name for path in (BUNDLE / "configs").glob("*.json") if path.stem not in NO_OVERLAYS_OF_TRAINING)

# overlays name a part of a list by its place; if the list changes they would change another part, and say nothing
PLACES = {
    "train#random_transforms#0": "RandMirrorCropd",
    "train#random_transforms#1": "RandElastic2Dd",
    "train#handlers#0": "SeedEachEpoch",
    "train#handlers#6": "EpochStats",
    "train#handlers#7": "TensorBoardStatsHandler",
    "train#handlers#8": "ProgressBar",
    "validate#handlers#0": "EpochStats",
    "validate#handlers#1": "TensorBoardStatsHandler",
    "validate#handlers#2": "BundleSaver",
}


def recipe(overlay: str, **overrides: Any) -> ConfigParser:
    below = ["n4.json"] if overlay == "n4_fovea.json" else []
    return workflow(["train.json", *below, overlay], **overrides).parser


def random_transforms(parser: ConfigParser) -> dict[str, Any]:
    return {type(transform).__name__: transform for transform in parser.get_parsed_content("train#random_transforms")}


@pytest.mark.parametrize("overlay", sorted(set(OVERLAYS) - set(WITHOUT_BLUR_AND_NOISE)))
def test_blur_and_noise_are_what_the_keys_say(overlay: str) -> None:
    for asked in ({}, {"blur": 0.45, "noise": 0.7}):
        keys = recipe(overlay, **asked)
        made = random_transforms(keys)
        assert made["RandGaussianSmoothd"].prob == keys["blur"]
        assert made["RandGaussianNoised"].rand_gaussian_noise.std == keys["noise"]


@pytest.mark.parametrize("overlay", WITHOUT_BLUR_AND_NOISE)
def test_no_blur_and_noise(overlay: str) -> None:
    keys = recipe(overlay)
    assert (keys["blur"], keys["noise"]) == (0, 0)
    assert not {"RandGaussianSmoothd", "RandGaussianNoised"} & set(random_transforms(keys))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_takes_the_tile(overlay: str) -> None:
    parser = recipe(overlay)
    network, tile = parser.get_parsed_content("network_def"), parser["tile"]
    network.check_size(tile, tile)
    assert network.output_size(tile) == tile - 2 * network.margin > 0


def test_places_in_lists_hold_what_overlays_mean() -> None:
    train = workflow(["train.json"]).parser
    for place, name in PLACES.items():
        assert train[place]["_target_"].split(".")[-1] == name, place


def test_every_place_that_an_overlay_names_is_known() -> None:
    benchmarks = Path(__file__).parents[2] / "benchmarks"
    overlays = [*(BUNDLE / "configs").glob("*.json"), *benchmarks.rglob("*.json")]
    keys = {key for overlay in overlays for key in json.loads(overlay.read_text())}
    named = {found[0] for key in keys if (found := re.match(r".*?#\d+", key))}
    assert named == set(PLACES)
