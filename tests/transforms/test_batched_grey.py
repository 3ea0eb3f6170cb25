from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from unetpipe.transforms.batched import RandBatch, RandBatchd
from unetpipe.transforms.batched_grey import (
    RandBatchBlur,
    RandBatchGrey,
    RandBatchGreyValues,
    RandBatchNoise,
    RandBatchRounding,
    RandBatchShading,
)

EVERY = [
    lambda: RandBatchShading(0.6, 1.0),
    lambda: RandBatchGreyValues(channel=0.1, channels=2),
    lambda: RandBatchBlur((0.5, 2.0), 0.5, 1.0, 0.5),
    lambda: RandBatchNoise(0.5, 1.0),
    lambda: RandBatchRounding(0.2, 1.0),
    lambda: RandBatchGrey(0.5),
]
NOTHING = [
    lambda: RandBatchShading(0.0),
    lambda: RandBatchGreyValues(0, 0, 0, (1.0, 1.0), channels=2),
    lambda: RandBatchBlur(prob=0, sharpen_prob=0),
    lambda: RandBatchNoise(0.0),
    lambda: RandBatchRounding(prob=0),
    lambda: RandBatchGrey(0),
]


def images(count: int = 3, channels: int = 2) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, channels, 24, 31)).astype(np.float32))


@pytest.mark.parametrize("make", EVERY)
def test_a_batch_is_the_same_as_its_samples_in_a_row(make) -> None:
    batch = images()
    together, alone = make().set_random_state(1)(batch), make().set_random_state(1)
    for sample in range(3):
        torch.testing.assert_close(alone(batch[sample]), together[sample], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", EVERY)
def test_reproducible_by_seed_and_different_for_each_sample(make) -> None:
    batch = images(1).expand(6, -1, -1, -1).contiguous()
    first, second = (make().set_random_state(4)(batch) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, first[:1].expand_as(first))


@pytest.mark.parametrize("make", NOTHING)
def test_amount_0_is_the_identity(make) -> None:
    torch.testing.assert_close(make().set_random_state(0)(images()), images(), atol=1e-5, rtol=1e-5)


def test_shading_meets_its_nodes_and_keeps_within_its_amplitude() -> None:
    shading = RandBatchShading(0.6, 1.0, (2, 2)).set_random_state(0)
    field = shading(torch.zeros(50, 1, 9, 9))
    amplitude = torch.from_numpy(shading.rows[:, 0])
    torch.testing.assert_close(field[:, 0, 0, 0].abs(), amplitude)
    assert field.abs().amax() <= 0.6 * 1.3
    assert amplitude.max() > 0.5


def test_grey_values_by_hand() -> None:
    transform = RandBatchGreyValues(channels=1)
    transform.rows = np.array([[np.log(2.0), 3.0, 0.5]], np.float32)
    image = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    assert transform(image, randomize=False).tolist() == [[[[0.5, 1.25, 3.5]]]]


def test_blur_is_a_gaussian_and_sharpening_its_opposite() -> None:
    image = images(1, 1)
    blur = RandBatchBlur((1.2, 1.2), 1.0)
    expected = ndimage.gaussian_filter(image[0, 0].numpy(), 1.2, mode="mirror", radius=blur.reach)
    blurred = blur(image)
    torch.testing.assert_close(blurred[0, 0].numpy(), expected, atol=1e-5, rtol=1e-4)
    sharp = RandBatchBlur((1.2, 1.2), 0.0, 1.0, 1.0)
    sharp.rows = np.array([[1.2, -1.0, 1.2]], np.float32)
    torch.testing.assert_close(sharp(image, randomize=False), 2 * image - blurred, atol=1e-5, rtol=1e-4)


def test_noise_has_the_drawn_deviation() -> None:
    noise = RandBatchNoise(0.5, 1.0).set_random_state(0)
    found = noise(torch.zeros(4, 1, 100, 100))
    torch.testing.assert_close(found.std((1, 2, 3)), torch.from_numpy(noise.rows[:, 0]), rtol=0.05, atol=0)


def test_rounding_leaves_multiples_of_the_step() -> None:
    rounding = RandBatchRounding(0.2, 1.0).set_random_state(0)
    found = rounding(images()) / torch.from_numpy(rounding.rows[:, 0, None, None, None])
    torch.testing.assert_close(found, found.round(), atol=1e-3, rtol=0)


def test_dictionary_form_changes_all_keys_by_the_same_draws() -> None:
    item = {"image": images(), "other": images(), "label": images()}
    result = RandBatchd(("image", "other"), RandBatchNoise(0.5, 1.0)).set_random_state(2)(item)
    assert torch.equal(result["image"], result["other"])
    assert torch.equal(result["label"], item["label"])
    assert issubclass(RandBatchNoise, RandBatch)
