from __future__ import annotations

import pytest
import torch

from unetpipe.errors import InputError
from unetpipe.inferers import OverlapTileInferer
from unetpipe.networks.baselines import FoveatedPatchCNN

SMALL = {"channels": (4, 4, 4, 4), "hidden": 6}


def seen(network: FoveatedPatchCNN, image: torch.Tensor) -> torch.Tensor:
    """Return the window that the network within is given, (95, 95)."""
    given = []
    network.network.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    network(image)
    return given[0][0, 0]


@torch.no_grad()
def test_without_either_it_is_the_plain_network():
    torch.manual_seed(0)
    network = FoveatedPatchCNN(**SMALL, reach=47, blur=()).eval()
    assert (network.margin, network.window) == (47, 95)
    image = torch.randn(2, 1, 99, 101)
    torch.testing.assert_close(network(image), network.network(image), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_middle_is_sharp_the_edge_is_far_and_blurred():
    network = FoveatedPatchCNN(**SMALL).eval()
    assert (network.margin, network.window) == (69, 139)  # 63, and 3 standard deviations of 2
    column = torch.arange(139.0)
    window = seen(network, column.expand(1, 1, 139, 139).clone())
    assert torch.equal(window[47, 31:64], column[69 - 16 : 69 + 17])  # every pixel
    torch.testing.assert_close(window[:, [0, -1]], torch.tensor([6.0, 132.0]).expand(95, 2))  # 63 px from the centre
    dots = torch.zeros(1, 1, 139, 139)
    dots[..., 69, 69] = dots[..., 69, 6] = 1
    window = seen(network, dots)
    assert window[47, 47] == 1
    assert window[47, 0] == pytest.approx(1 / (2 * torch.pi * 2**2), rel=0.02)  # the height of that Gaussian


@torch.no_grad()
def test_tiles_equal_the_whole():
    torch.manual_seed(0)
    network = FoveatedPatchCNN(**SMALL, reach=50, blur=(1.0,)).eval()
    image = torch.randn(1, 1, 9, 22)
    whole, tiled = (OverlapTileInferer(tile)(image, network) for tile in (132, 112))
    assert whole.shape == (1, 2, 9, 22)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_it_sees_further_than_the_plain_network():
    """Images that differ only beyond a window of 95."""
    torch.manual_seed(0)
    image = torch.zeros(2, 1, 139, 139)
    image[1, :, 60:79, 5:20] = 1
    assert torch.equal(image[0, :, 22:117, 22:117], image[1, :, 22:117, 22:117])
    network = FoveatedPatchCNN(**SMALL)
    logits = network(image)
    assert not torch.allclose(logits[0], logits[1])
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_bad_arguments():
    with pytest.raises(InputError, match="reach=40 must be at least 47"):
        FoveatedPatchCNN(reach=40)
    with pytest.raises(InputError, match=r"blur=\[0.0\] above 0"):
        FoveatedPatchCNN(blur=[0.0])
    with pytest.raises(ValueError, match="138 × 200 pixels holds no window of 139 × 139"):
        FoveatedPatchCNN(**SMALL)(torch.zeros(1, 1, 138, 200))
