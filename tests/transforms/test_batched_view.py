from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import ScaleIntensityd
from torch import Tensor

from unetpipe.transforms import NormalizeBrightd, RandBatchFieldOfViewd

NEVER = {"prob": 0.0, "ground_prob": 0.0}


def item_of(count: int = 4, side: int = 32, inner: int = 20) -> dict[str, Tensor]:
    random = np.random.default_rng(0)
    return {
        "image": torch.from_numpy(random.normal(3, 2, (count, 1, side, side)).astype(np.float32)),
        "label": torch.ones(count, 1, inner, inner, dtype=torch.uint8),
        "weight": torch.zeros(count, 1, inner, inner),
    }


def test_nothing_happens_at_probability_0() -> None:
    item = item_of()
    result = RandBatchFieldOfViewd(**NEVER).set_random_state(0)(item)
    for key in item:
        assert torch.equal(result[key], item[key])


def test_normalised_by_the_tile_alone_where_forced() -> None:
    item = {**item_of(), "renormalize": torch.tensor([True, False, True, False])}
    result = RandBatchFieldOfViewd(share=(1.0, 1.0), **NEVER).set_random_state(0)(item)["image"]
    torch.testing.assert_close(result[::2].mean((1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(result[::2].std((1, 2, 3), correction=0), torch.ones(2), atol=1e-4, rtol=0)
    assert torch.equal(result[1::2], item["image"][1::2])


def test_normalised_as_a_larger_image_with_flat_ground() -> None:
    """A quarter is the tile: the moments are those of the tile beside three times as many pixels of ground."""
    item = item_of(1)
    view = RandBatchFieldOfViewd(prob=1.0, share=(0.25, 0.25), ground_prob=0.0).set_random_state(0)
    result = view(item)["image"]
    image = item["image"]
    grey = view._ground_value(image, torch.from_numpy(view.rows))
    whole = torch.cat([image.flatten(), grey.flatten().expand(3 * image.numel())])
    torch.testing.assert_close(result, (image - whole.mean()) / whole.std(correction=0), atol=1e-4, rtol=1e-4)
    assert 1.5 < (result.std() * 2 / image.std()) * image.std() / 2 < 2.5


def test_compressed_values_are_normalised_as_the_whole_image_would_be() -> None:
    """A part of an image, seen as the whole: the same as the normalisation of this part."""
    whole = np.random.default_rng(0).gamma(1.0, 40.0, (1, 32, 64)).astype(np.float32)
    normalize = NormalizeBrightd("image", channel_wise=True)
    part = torch.as_tensor(normalize({"image": whole})["image"])[..., :32]
    item = {"image": part, "label": torch.ones(1, 20, 20), "weight": torch.ones(1, 20, 20)}
    view = RandBatchFieldOfViewd(prob=1.0, share=(1.0, 1.0), ground_prob=0.0, normalize=normalize)
    alone = torch.as_tensor(normalize({"image": whole[..., :32]})["image"])
    assert not torch.allclose(part, alone, atol=0.01)
    torch.testing.assert_close(view.set_random_state(0)(item)["image"], alone, atol=1e-3, rtol=1e-3)


def test_grey_values_of_another_normalisation_stay() -> None:
    item = item_of()
    view = RandBatchFieldOfViewd(prob=1.0, ground_prob=0.0, normalize=ScaleIntensityd("image")).set_random_state(0)
    assert torch.equal(view(item)["image"], item["image"])


def test_samples_that_change_and_others_form_one_batch() -> None:
    view = RandBatchFieldOfViewd(prob=0.5).set_random_state(0)
    samples = [view({key: MetaTensor(value[0]) for key, value in item_of(1).items()}) for _ in range(8)]
    assert {type(value) for sample in samples for value in sample.values()} == {Tensor}
    changed = [not torch.equal(sample["image"], item_of(1)["image"][0]) for sample in samples]
    assert any(changed)
    assert not all(changed)


def test_added_ground_is_flat_known_background() -> None:
    item = item_of(200)
    view = RandBatchFieldOfViewd(prob=0.0, ground_prob=1.0, noise=0.0).set_random_state(0)
    result = view(item)
    ground = result["label"] == 0
    assert torch.equal(ground, result["weight"] == 1)
    assert 0.2 < ground.float().mean() < 0.8
    for image, here in zip(result["image"][..., 6:26, 6:26], ground, strict=True):
        if here.any():
            assert image[here].std() < 1e-5 or here.sum() == 1


def test_a_batch_is_the_same_as_its_samples_in_a_row() -> None:
    item = item_of()
    together = RandBatchFieldOfViewd(prob=0.5, ground_prob=0.5).set_random_state(7)(item)
    alone = RandBatchFieldOfViewd(prob=0.5, ground_prob=0.5).set_random_state(7)
    for sample in range(4):
        single = alone({key: item[key][sample] for key in item})
        for key in item:
            torch.testing.assert_close(single[key], together[key][sample], atol=1e-5, rtol=1e-5)
