from __future__ import annotations

import pytest
import torch

from unetpipe.errors import InputError
from unetpipe.inferers import OverlapTileInferer
from unetpipe.mirror import mirror_crop
from unetpipe.networks.baselines import PatchCNN


@pytest.fixture(scope="module")
def network() -> PatchCNN:
    torch.manual_seed(0)
    return PatchCNN(channels=(6, 6, 6, 6), hidden=10).eval()


@torch.no_grad()
def test_dense_equals_window_by_window(network: PatchCNN):
    image = torch.randn(2, 1, 98, 103)
    dense = network(image)
    assert dense.shape == (2, 2, 4, 9)
    windows = [network(image[..., y : y + 95, x : x + 95]) for y in range(4) for x in range(9)]
    torch.testing.assert_close(torch.cat(windows, 2).reshape(2, 2, 4, 9, 1)[..., 0], dense, atol=1e-5, rtol=0)


@torch.no_grad()
def test_tiles_equal_mirrored_windows(network: PatchCNN):
    """Overlap tiles of any size, and every pixel's own window mirrored at the border, give one result."""
    image = torch.randn(1, 1, 9, 13)
    tiled = OverlapTileInferer(100)(image, network)
    assert tiled.shape == (1, 2, 9, 13)
    for y, x in ((0, 0), (8, 12), (4, 7)):
        window = mirror_crop(image[0], y - 47, x - 47, 95, 95)
        torch.testing.assert_close(network(window[None])[0, :, 0, 0], tiled[0, :, y, x], atol=1e-5, rtol=0)


def test_layers_are_those_of_n4():
    network = PatchCNN()
    convolutions = [block[0] for block in network.convolutions]
    sizes = [tuple(layer.weight.shape) for layer in (*convolutions, network.hidden, network.classify)]
    assert sizes == [(48, 1, 4, 4), (48, 48, 5, 5), (48, 48, 4, 4), (48, 48, 4, 4), (200, 48, 3, 3), (2, 200, 1, 1)]
    assert network(torch.zeros(1, 1, 95, 95)).shape == (1, 2, 1, 1)
    assert (network.output_size(222), network.margin) == (128, 47)


def test_bad_sizes(network: PatchCNN):
    with pytest.raises(ValueError, match="94 × 200 pixels holds no window of 95 × 95"):
        network(torch.zeros(1, 1, 94, 200))
    with pytest.raises(InputError, match="channels=\\[4, 4, 4\\]"):
        PatchCNN(channels=(4, 4, 4))
