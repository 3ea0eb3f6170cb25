from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unetpipe.inferers import OverlapTileInferer, choose_tile, overlap_tile, plan_tiles
from unetpipe.inferers.overlap_tile import LARGEST_OUTPUT
from unetpipe.networks import UNet

PAPERS = UNet(channels=(2, 2, 2, 2, 2))  # sizes depend on the depth alone; 12 values a pixel
PLENTY = 2**50


@pytest.mark.parametrize(
    ("size", "tile"),
    [
        ((512, 512), (700, 700)),  # 516 pixels out
        ((1, 388), (188, 572)),
        ((2053, 100), (1228, 284)),  # two of 1044 pixels out
        ((8192, 2048), (2236, 2236)),
    ],
)
def test_image_in_as_few_tiles_as_memory_allows(size: tuple[int, int], tile: tuple[int, int]) -> None:
    assert choose_tile(size, PAPERS, PLENTY) == tile


@given(
    height=st.integers(1, 9000),
    width=st.integers(1, 9000),
    memory=st.integers(0, 10**9),
    depth=st.integers(0, 4),
    padding=st.sampled_from(["valid", "same"]),
)
def test_tile_is_valid_fits_the_memory_and_divides_the_image_evenly(height, width, memory, depth, padding) -> None:
    network = UNet(channels=(2,) * (depth + 1), padding=padding)
    tile = choose_tile((height, width), network, memory)
    network.check_size(*tile)
    smallest = network.smallest_size + network.step  # the least with which an image of any size can be tiled
    if max(tile) > smallest:
        assert 4 * network.values_per_pixel * max(tile) ** 2 <= memory
    for size, side in zip((height, width), tile, strict=True):
        output = side - 2 * network.margin
        assert output <= max(LARGEST_OUTPUT, smallest - 2 * network.margin)
        tiles, used = plan_tiles(size, side, network.margin, network.step)
        assert used == side  # no smaller tile does
        if side > network.smallest_size and output > network.step:
            narrower = output - network.step
            stride = narrower // network.step * network.step
            assert (len(tiles) - 1) * stride + narrower < size  # one step less would need one tile more


def test_less_memory_makes_smaller_tiles() -> None:
    side = {memory: choose_tile((4000, 4000), PAPERS, memory * 2**20)[0] for memory in (1, 8, 64, 512)}
    assert side[1] < side[8] < side[64] < side[512]


def test_network_that_does_not_say_its_sizes() -> None:
    with pytest.raises(ValueError, match=r"Conv2d does not say its sizes .* give roi_size"):
        choose_tile((10, 10), nn.Conv2d(1, 1, 3), PLENTY)


@pytest.mark.parametrize(("memory", "side"), [(2**14, 18), (2**19, 56), (2**40, 136)])
def test_inferer_chooses_by_the_free_memory(memory: int, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it chooses, the result is that of one pass over the whole image."""
    monkeypatch.setattr(overlap_tile, "free_memory", lambda device: memory)
    torch.manual_seed(0)
    network = UNet(1, 2, (2, 4)).eval()
    sides = []
    network.register_forward_pre_hook(lambda module, inputs: sides.append(inputs[0].shape[-1]))
    image = torch.rand(1, 1, 90, 120)
    with torch.no_grad():
        result = OverlapTileInferer()(image, network)
        chosen = max(sides)
        whole = OverlapTileInferer(network.input_size(120))(image, network)
    torch.testing.assert_close(result, whole, atol=1e-5, rtol=0)
    assert chosen == side
