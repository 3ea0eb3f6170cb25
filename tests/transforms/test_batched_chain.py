"""The random chain of ``train.json``: for one sample, for a batch, and against MONAI's own transforms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
    ScaleIntensityd,
)
from torch import Tensor
from workflows import workflow

from unetpipe.errors import InputError
from unetpipe.transforms import CropCentred, RandElastic2Dd, RandMirrorCropd, apply_to_batch

TILE, OUTPUT = 66, 50


def chain() -> Compose:
    """Return the random transforms of ``train.json``."""
    parser = workflow(["train.json"], dataset_dir="unused", channels=[4, 8], tile=TILE).parser
    return Compose(list(parser.get_parsed_content("train#random_transforms").values()))


def items(count: int) -> list[dict[str, Tensor]]:
    """Return frames of different sizes whose label and weight follow the image."""
    random = np.random.default_rng(0)
    result = []
    for number in range(count):
        y, x = np.mgrid[: 90 + 10 * number, :110]
        image = np.sin(y / 9) + np.cos(x / 7) + 0.01 * random.normal(size=y.shape)
        label = torch.from_numpy(image > 0.5)[None]
        item = {"image": torch.from_numpy(image[None].astype(np.float32)), "label": label.to(torch.uint8)}
        result.append({**item, "weight": (1 + label).half()})
    return result


def test_a_batch_is_the_same_as_its_samples_in_a_row() -> None:
    """Transform by transform: each draws for one sample after another."""
    together, alone = chain().set_random_state(3), chain().set_random_state(3)
    frames = items(4)
    batch = apply_to_batch(together.transforms, frames)
    for number, frame in enumerate(frames):
        single = alone(frame)
        for key in frame:
            torch.testing.assert_close(
                batch[key][number], single[key].float().to(batch[key].dtype), atol=1e-5, rtol=1e-5
            )
    assert batch["image"].shape == (4, 1, TILE, TILE)
    assert batch["label"].shape == batch["weight"].shape == (4, 1, OUTPUT, OUTPUT)
    assert (batch["label"].dtype, batch["weight"].dtype) == (torch.uint8, torch.float32)


def test_seed() -> None:
    first, second, other = (apply_to_batch(chain().set_random_state(seed).transforms, items(2)) for seed in (1, 1, 2))
    assert torch.equal(first["image"], second["image"])
    assert not torch.allclose(first["image"], other["image"])


def test_image_label_and_weight_stay_aligned_in_a_batch() -> None:
    batch = apply_to_batch(chain().set_random_state(0).transforms, items(8))
    margin = (TILE - OUTPUT) // 2
    image = batch["image"][..., margin:-margin, margin:-margin]
    cell = batch["label"] > 0
    for number in range(8):
        inside, outside = image[number][cell[number]], image[number][~cell[number]]
        assert inside.mean() > outside.mean() + 0.5
    weight = batch["weight"]
    assert ((weight > 1.5) == cell).float().mean() > 0.97  # they differ where the weight is interpolated


def grey(names: tuple[str, ...]) -> list:
    parser = workflow(["train.json"], dataset_dir="unused", channels=[4, 8], tile=TILE, noise_std=0.3).parser
    made = parser.get_parsed_content("train#random_transforms")
    return [made[name] for name in names]


@pytest.mark.parametrize(
    ("names", "theirs"),
    [
        (
            ("grey_values",),
            [
                RandScaleIntensityd("image", factors=0.3, prob=0.8),
                RandShiftIntensityd("image", offsets=0.3, prob=0.8),
                RandAdjustContrastd("image", gamma=[0.6, 1.6], prob=0.5),
            ],
        ),
        (("blur",), [RandGaussianSmoothd("image", sigma_x=[0.3, 2.0], sigma_y=[0.3, 2.0], prob=0.3)]),
        (("noise",), [RandGaussianNoised("image", std=0.3, prob=0.5)]),
    ],
    ids=["grey values", "blur", "noise"],
)
def test_grey_values_are_distributed_as_by_monais_transforms(names: tuple[str, ...], theirs: list) -> None:
    """Mean and deviation, over many draws, of what each image's mean, deviation and roughness become."""
    count = 1500
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 24, 24)).astype(np.float32)).cumsum(-1) / 3
    ours = apply_to_batch(Compose(grey(names)).set_random_state(0).transforms, [{"image": image}] * count)["image"]
    other = Compose(theirs).set_random_state(1)
    expected = torch.stack([torch.as_tensor(other({"image": image})["image"]) for _ in range(count)])

    def features(images: Tensor) -> Tensor:
        inner = images[..., 8:-8, 8:-8]  # MONAI's blur sees 0 beyond the border, ours the mirrored image
        roughness = inner.diff(dim=-1).std((1, 2, 3)) + inner.diff(dim=-2).std((1, 2, 3))
        return torch.stack([inner.mean((1, 2, 3)), inner.std((1, 2, 3)), roughness])

    one, two = features(ours), features(expected)
    spread = two.std(1).clamp(min=1e-3)
    assert ((one.mean(1) - two.mean(1)).abs() / spread < 0.15).all()
    assert (one.std(1) / two.std(1).clamp(min=1e-3) - 1).abs().max() < 0.15 or two.std(1).max() < 1e-3


@pytest.mark.parametrize("spacing", [None, (20, 30)])
def test_elastic_draws_a_batch_as_single_samples(spacing) -> None:
    frames = [{key: value[..., :80, :96] for key, value in item.items()} for item in items(3)]
    keys, modes = ["image", "label", "weight"], ["bicubic", "nearest", "bilinear"]
    together, alone = (
        RandElastic2Dd(keys, spacing, spatial_size=(40, 44), prob=0.7, rotate_range=3.0, scale_range=0.2, mode=modes)
        for _ in range(2)
    )
    batch = together.set_random_state(5)({key: torch.stack([frame[key] for frame in frames]) for key in keys})
    alone.set_random_state(5)
    for number, frame in enumerate(frames):
        single = alone(frame)
        for key in keys:
            torch.testing.assert_close(batch[key][number], single[key], atol=1e-5, rtol=1e-5)


def test_transforms_of_monai_take_one_sample_after_another() -> None:
    steps = [RandMirrorCropd(["image", "label", "weight"], 40), CropCentred(["image"], 30), ScaleIntensityd("image")]
    for step in steps[:1]:
        step.set_random_state(0)
    batch = apply_to_batch(steps, items(3))
    assert batch["image"].shape == (3, 1, 30, 30)
    torch.testing.assert_close(batch["image"].amax((1, 2, 3)), torch.ones(3))


def test_samples_that_fit_no_batch_are_refused() -> None:
    with pytest.raises(InputError, match="cannot form one batch"):
        apply_to_batch([], items(2))
    with pytest.raises(InputError, match=r"device_batches=false"):
        apply_to_batch([lambda item: [item, item]], items(1))
