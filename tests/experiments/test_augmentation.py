from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.augmentation import SameMomentsd, augmentation
from experiments.recipes import RECIPES, Recipe
from unetpipe.transforms.batched_grey import RandBatchGreyValues, RandBatchNoise


def batch() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0.3, 1.2, (3, 1, 20, 24)).astype(np.float32))


def test_changed_tiles_keep_mean_and_deviation() -> None:
    changes = [RandBatchGreyValues(0.0, 0.0, 0.0, (3.0, 3.0), 1.0), RandBatchNoise(0.5, 1.0)]
    image = batch()
    changed = SameMomentsd("image", changes).set_random_state(0)({"image": image})["image"]
    torch.testing.assert_close(changed.mean((2, 3)), image.mean((2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(changed.std((2, 3)), image.std((2, 3)), atol=1e-5, rtol=0)
    assert (changed - image).abs().max() > 0.5


def test_flat_tiles_stay_finite() -> None:
    flat = {"image": torch.full((1, 1, 8, 8), 0.7)}
    assert SameMomentsd("image", [])(flat)["image"].allclose(flat["image"], atol=1e-5)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_gives_finite_tiles_and_known_labels(recipe: Recipe) -> None:
    random = np.random.default_rng(1)
    frames = random.normal(size=(4, recipe.in_channels, 40, 40)).astype(np.float16)
    item = {
        "image": torch.from_numpy(frames),
        "label": torch.from_numpy(random.integers(0, 2, (4, 1, 40, 40)).astype(np.uint8)),
        "weight": torch.from_numpy(random.integers(0, 3, (4, 1, 40, 40)).astype(np.float16)),
        "window": torch.tensor([[0, 0, 40, 40], [5, 6, 30, 35]] * 2),
    }
    tiles = augmentation(recipe, 24, 16, seed=1)(item)
    assert tiles["image"].shape == (4, recipe.in_channels, 24, 24)
    assert tiles["image"].isfinite().all()
    assert tiles["label"].shape == tiles["weight"].shape == (4, 1, 16, 16)
    assert set(tiles["label"].unique().tolist()) <= {0, 1}
