from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unetpipe.mirror import mirror_crop
from unetpipe.transforms import RandElasticGrid
from unetpipe.transforms.batched_tiles import RandBatchTilesd, mirrored
from unetpipe.transforms.elastic import centred_coordinates

KEYS = ("image", "label", "weight")
MODES = ("bilinear", "nearest", "bilinear")
STILL = {"magnitude": 0.0, "flip_prob": 0.0}
FULL = {"rotate_range": math.pi, "scale_range": 0.3, "zoom_range": 0.2}


def item_of(*size: int, count: int = 3) -> dict[str, Tensor]:
    random = np.random.default_rng(0)
    return {
        "image": torch.from_numpy(random.random((count, 2, *size), dtype=np.float32)),
        "label": torch.from_numpy(random.integers(0, 2, (count, 1, *size)).astype(np.uint8)),
        "weight": torch.from_numpy(random.random((count, 1, *size), dtype=np.float32)),
    }


@pytest.mark.parametrize("size", [(40, 40), (33, 50), (7, 12)])
@pytest.mark.parametrize("tile", [16, 21])
def test_without_ranges_it_is_a_mirrored_crop(size: tuple[int, int], tile: int) -> None:
    item = item_of(*size)
    tiles = RandBatchTilesd(KEYS, tile, mode=MODES, **STILL).set_random_state(1)
    result = tiles(item)
    for sample, row in enumerate(tiles.rows):
        top, left = (math.floor(place * side) - tile // 2 for place, side in zip(row[:2], size, strict=True))
        for key in KEYS:
            expected = mirror_crop(item[key][sample], top, left, tile, tile)
            torch.testing.assert_close(result[key][sample], expected, atol=1e-4, rtol=0)
    assert result["label"].dtype == torch.uint8


def test_mirrored_is_reflect_within_a_window() -> None:
    position = torch.arange(-5.0, 12.0)
    folded = mirrored(position, torch.tensor(2.0), torch.tensor(6.0))
    assert folded.tolist() == [3, 2, 3, 4, 5, 4, 3, 2, 3, 4, 5, 4, 3, 2, 3, 4, 5]
    assert mirrored(position, torch.tensor(3.0), torch.tensor(4.0)).tolist() == [3] * 17


def test_only_the_window_is_seen() -> None:
    image = torch.full((2, 1, 30, 40), -1.0)
    image[:, :, 5:15, 10:30] = 1.0
    item = {"image": image, "window": torch.tensor([[5, 10, 15, 30]] * 2)}
    assert (RandBatchTilesd("image", 64, **FULL).set_random_state(0)(item)["image"] > 0.999).all()


def test_a_tile_is_centred_on_the_pixel_that_the_item_names() -> None:
    image = torch.arange(40.0 * 50).reshape(1, 1, 40, 50).expand(2, -1, -1, -1)
    item = {"image": image, "centre": torch.tensor([[12, 30], [-1, -1]])}
    tiles = RandBatchTilesd("image", 9, **STILL).set_random_state(2)
    named, random = tiles(item)["image"]
    torch.testing.assert_close(named[0, 4, 4], image[0, 0, 12, 30])
    row, column = (math.floor(place * side) for place, side in zip(tiles.rows[1, :2], (40, 50), strict=True))
    torch.testing.assert_close(random[0, 4, 4], image[1, 0, row, column], atol=1e-2, rtol=0)


@pytest.mark.parametrize("ranges", [FULL, STILL])
def test_a_batch_is_the_same_as_its_samples_in_a_row(ranges: dict) -> None:
    item = item_of(48, 36, count=4)
    together = RandBatchTilesd(KEYS, 32, crops=(None, 12, 12), mode=MODES, **ranges).set_random_state(3)(item)
    alone = RandBatchTilesd(KEYS, 32, crops=(None, 12, 12), mode=MODES, **ranges).set_random_state(3)
    for sample in range(4):
        single = alone({key: item[key][sample] for key in KEYS})
        for key in KEYS:
            torch.testing.assert_close(single[key], together[key][sample], atol=1e-5, rtol=1e-5)


def test_reproducible_by_seed() -> None:
    item = item_of(48, 36)
    first, second, other = (
        RandBatchTilesd(KEYS, 32, mode=MODES, **FULL).set_random_state(seed)(item)["image"] for seed in (5, 5, 6)
    )
    assert torch.equal(first, second)
    assert not torch.allclose(first, other)


def test_keys_stay_aligned_and_crops_are_centred() -> None:
    ramp = torch.linspace(0, 1, 64).expand(2, 1, 64, 64)
    item = {"image": ramp, "label": (ramp > 0.5).to(torch.uint8), "weight": ramp}
    result = RandBatchTilesd(KEYS, 40, crops=(None, 20, 20), mode=MODES, **FULL).set_random_state(2)(item)
    image = result["image"][..., 10:30, 10:30]
    torch.testing.assert_close(result["weight"], image)
    sure = (image - 0.5).abs() > 1 / 63
    assert torch.equal(result["label"][sure] > 0, (image > 0.5)[sure])


def test_it_draws_from_the_distribution_of_the_transform_for_one_sample() -> None:
    """Positions within the tile, relative to its centre, have the moments of RandElasticGrid."""
    size, count = 33, 4000
    tiles = RandBatchTilesd("image", size, rotate_range=1.0, scale_range=0.3).set_random_state(0)
    tiles.randomize(count)
    window = torch.tensor([[0, 0, 10_000, 10_000]]).expand(count, 4)
    grid = (tiles._grid(window, (10_001, 10_001)) + 1) * 5000
    ours = (grid - grid.mean((1, 2), keepdim=True)).flip(-1)[:, ::8, ::8]
    other = RandElasticGrid(rotate_range=1.0, scale_range=0.3).set_random_state(1)
    theirs = []
    for _ in range(count):
        other.randomize((size, size))
        field = other((size, size))
        theirs.append((field - field.mean((0, 1)))[::8, ::8])
    expected = torch.stack(theirs)
    spread = centred_coordinates((size, size)).std() + 10
    torch.testing.assert_close(ours.mean(0), expected.mean(0), atol=float(spread) / 20, rtol=0)
    torch.testing.assert_close(ours.std(0), expected.std(0), atol=0.8, rtol=0)


def test_tiles_that_are_not_deformed_are_flipped_at_most() -> None:
    item = item_of(40, 40, count=12)
    tiles = RandBatchTilesd(KEYS, 16, mode=MODES, flip_prob=0.0, prob=0.5, **FULL).set_random_state(2)
    result = tiles(item)["image"]
    still = []
    for sample, row in enumerate(tiles.rows):
        top, left = (math.floor(place * 40) - 8 for place in row[:2])
        plain = mirror_crop(item["image"][sample], top, left, 16, 16)
        still.append(torch.allclose(result[sample], plain, atol=1e-4))
        assert still[-1] == (row[2:6].tolist() == [1, 0, 0, 1])
    assert 0 < sum(still) < 12
