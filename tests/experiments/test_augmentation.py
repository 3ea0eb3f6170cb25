from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.augmentation import SameMomentsd, augmentation, compressed
from experiments.recipes import RECIPES
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


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe.bright], ids=lambda recipe: recipe.name)
def test_a_flat_frame_stays_flat_and_finite(recipe) -> None:
    still = replace(recipe, grey=0.0, deformed=0.0, in_channels=1)
    chain = augmentation(still, 16, 16, seed=1)
    image = torch.full((2, 1, 32, 32), 0.5)
    item = {"image": image, "label": torch.zeros_like(image), "weight": torch.ones_like(image)}
    item["window"] = torch.tensor([[0, 0, 32, 32]] * 2)
    values = chain(item)["image"]
    # a field of view of one grey value is 0 after it is normalised again; gain and offset are drawn always
    assert values.isfinite().all()
    assert values.std((1, 2, 3)).max() < 1e-4
    assert compressed(torch.tensor([1.0])).item() == pytest.approx(1.818, abs=1e-3)
