from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, MetaTensor

from unetpipe.transforms import RandMirrorCropd


def coordinates(height: int, width: int) -> torch.Tensor:
    """Return an image (2, H, W) of each pixel's own row and column."""
    return torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))


@pytest.mark.parametrize("roi_size", [1, 4, 7, 9, 30])
@pytest.mark.parametrize("shape", [(5, 8), (9, 1), (12, 12)])
def test_equals_numpy_reflect_and_slicing(shape: tuple[int, int], roi_size: int) -> None:
    image = coordinates(*shape)
    padded = np.pad(image.numpy(), [(0, 0), (40, 40), (40, 40)], mode="reflect")
    transform = RandMirrorCropd("image", roi_size).set_random_state(0)
    for _ in range(20):
        result = transform({"image": image})["image"]
        centre = result[:, roi_size // 2, roi_size // 2].tolist()  # the image says where it is
        top, left = (40 + side - roi_size // 2 for side in centre)
        np.testing.assert_array_equal(result.numpy(), padded[:, top : top + roi_size, left : left + roi_size])


def test_all_keys_are_cut_alike_and_keep_their_dtype() -> None:
    image = coordinates(11, 14)
    transform = RandMirrorCropd(["image", "label", "known"], 9).set_random_state(0)
    for _ in range(10):
        result = transform({"image": image.float(), "label": image.int(), "known": image % 2 == 0, "name": "cells"})
        assert torch.equal(result["image"], result["label"].float())
        assert torch.equal(result["known"], result["label"] % 2 == 0)
        assert (result["label"].dtype, result["known"].dtype) == (torch.int32, torch.bool)
        assert result["name"] == "cells"


def test_every_pixel_is_the_centre_equally_often() -> None:
    transform = RandMirrorCropd("image", 3).set_random_state(0)
    image = torch.arange(12).reshape(1, 3, 4)
    centres = [int(transform({"image": image})["image"][0, 1, 1]) for _ in range(2400)]
    assert np.bincount(centres, minlength=12) == pytest.approx(200, abs=60)


@pytest.mark.parametrize(
    ("prob", "weight", "low", "high"), [(0.5, 0.0, 1200, 1520), (1.0, 0.0, 2400, 2400), (0.5, 1.0, 140, 260)]
)
def test_where_not_all_is_annotated_some_windows_are_centred_on_a_cell(
    prob: float, weight: float, low: int, high: int
) -> None:
    """One pixel of 12 is a cell. It is the centre of half of 2400 windows, and of a twelfth of the other half."""
    image = torch.arange(12).reshape(1, 3, 4)
    item = {"image": image, "label": (image == 7).int(), "weight": torch.where(image == 0, weight, 1.0)}
    transform = RandMirrorCropd("image", 3, cell_centred_prob=prob).set_random_state(0)
    centres = [int(transform(item)["image"][0, 1, 1]) for _ in range(2400)]
    assert low <= centres.count(7) <= high
    assert (prob == 1 and not weight) or set(centres) == set(range(12))


def test_a_partly_annotated_image_without_cells_is_cut_anywhere() -> None:
    image = torch.arange(12).reshape(1, 3, 4)
    item = {"image": image, "label": torch.zeros_like(image), "weight": torch.zeros_like(image)}
    transform = RandMirrorCropd("image", 3, cell_centred_prob=1.0).set_random_state(0)
    assert len({int(transform(item)["image"][0, 1, 1]) for _ in range(200)}) == 12


def test_seed_repeats_the_draws() -> None:
    item = {"image": coordinates(50, 60)}
    one, other = (RandMirrorCropd("image", 8).set_random_state(5) for _ in range(2))
    draws = [one(item)["image"] for _ in range(4)]
    assert all(torch.equal(draw, other(item)["image"]) for draw in draws)
    assert not torch.equal(draws[0], draws[1])


def test_cached_data_set_draws_anew() -> None:
    """MONAI caches what comes before the first random transform; this one must count as random."""
    dataset = CacheDataset([{"image": coordinates(50, 60)}], RandMirrorCropd("image", 8), progress=False)
    assert len({dataset[0]["image"].numpy().tobytes() for _ in range(5)}) > 1


def test_metatensor_keeps_its_meta_data() -> None:
    image = MetaTensor(coordinates(5, 6), meta={"name": "cells"})
    result = RandMirrorCropd("image", 20)({"image": image})["image"]
    assert isinstance(result, MetaTensor)
    assert result.meta["name"] == "cells"
    assert result.shape == (2, 20, 20)


def test_keys_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="the same height and width"):
        RandMirrorCropd(["a", "b"], 3)({"a": coordinates(5, 6), "b": coordinates(6, 5)})


def test_missing_key() -> None:
    with pytest.raises(KeyError, match="weight"):
        RandMirrorCropd(["image", "weight"], 3)({"image": coordinates(5, 6)})
    assert set(RandMirrorCropd(["image", "weight"], 3, allow_missing_keys=True)({"image": coordinates(5, 6)})) == {
        "image"
    }


def test_cells_are_looked_for_once_in_arrays_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    label = torch.zeros(1, 9, 9)
    label[0, 2, 7] = 1
    weight = torch.ones(1, 9, 9)
    weight[0, 8] = 0
    item = {"image": torch.arange(81.0).reshape(1, 9, 9), "label": label, "weight": weight}
    transform = RandMirrorCropd("image", 1, cell_centred_prob=1.0).set_random_state(0)
    assert transform(item)["image"].item() == 2 * 9 + 7
    copied = pickle.loads(pickle.dumps(transform))  # as for a worker process
    assert copied(item)["image"].item() == 2 * 9 + 7
    monkeypatch.setattr(torch.Tensor, "nonzero", None)
    assert transform(item)["image"].item() == 2 * 9 + 7
    del item["weight"], weight
    gc.collect()
    assert not transform._found
