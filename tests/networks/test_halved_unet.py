"""The U-Net that sees the image at half its size: its sizes, its values, and tiles without a seam."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from unetpipe.errors import InputError
from unetpipe.inferers import OverlapTileInferer
from unetpipe.mirror import mirror_crop
from unetpipe.networks import HalvedUNet, UNet, load_weights, save_state
from unetpipe.networks.halved_unet import enlarged
from unetpipe.networks.weights import half_precision


def random_network(channels: tuple[int, ...] = (2, 3, 4)) -> HalvedUNet:
    torch.manual_seed(0)
    return HalvedUNet(channels=channels, norm="batch").double().eval()


@pytest.mark.parametrize("depth", range(5))
def test_sizes_agree_with_the_forward_pass(depth: int) -> None:
    network = HalvedUNet(channels=(1,) * (depth + 1)).eval()
    for height, width in ((0, 1), (2, 0)):
        size = [network.smallest_size + more * network.step for more in (height, width)]
        with torch.no_grad():
            output = network(torch.zeros(1, 1, *size))
        assert output.shape == (1, 2, *(network.output_size(side) for side in size))
        assert output.shape[-2:] == tuple(side - 2 * network.margin for side in size)
        assert output.numel() > 0


def test_its_weights_and_values_are_those_of_a_unet_on_the_averaged_image() -> None:
    halved = random_network()
    plain = UNet(channels=(2, 3, 4), norm="batch").double().eval()
    state = halved.state_dict()
    del state["halvings"]
    plain.load_state_dict(state)
    image = torch.rand(1, 1, halved.smallest_size, halved.smallest_size + halved.step, dtype=torch.float64)
    logits = plain(F.avg_pool2d(image, 2))
    enlarged = halved(image)
    # a pixel lies a quarter of the way from the nearest logit to the next one
    expected = (9 * logits[..., 1:-1, 1:-1] + 3 * logits[..., :-2, 1:-1] + 3 * logits[..., 1:-1, :-2]) / 16
    expected = expected + logits[..., :-2, :-2] / 16
    torch.testing.assert_close(enlarged[..., 1:-1:2, 1:-1:2], expected)


def test_enlarged_pixels_are_those_of_torch() -> None:
    x = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    expected = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)[..., 1:-1, 1:-1]
    torch.testing.assert_close(enlarged(x), expected)


@pytest.mark.parametrize(("kind", "other"), [(UNet, HalvedUNet), (HalvedUNet, UNet)])
def test_its_weights_are_not_taken_for_those_of_a_unet(kind: type[UNet], other: type[UNet], tmp_path: Path) -> None:
    save_state(half_precision(kind(channels=(2, 3)).state_dict()), tmp_path / "model.pt")
    load_weights(kind(channels=(2, 3)), tmp_path / "model.pt")
    with pytest.raises(InputError, match="weights of another network"):
        load_weights(other(channels=(2, 3)), tmp_path / "model.pt")


@pytest.mark.parametrize("size", [(1, 1), (50, 33), (97, 130)])
def test_tiled_equals_the_whole_image(size: tuple[int, int]) -> None:
    network, image = random_network(), torch.rand(1, 1, *size, dtype=torch.float64)
    rows, columns = (network.input_size(side) for side in size)
    with torch.no_grad():
        whole = network(mirror_crop(image[0], -network.margin, -network.margin, rows, columns)[None])
        tiled = OverlapTileInferer(network.smallest_size + 2 * network.step)(image, network)
    torch.testing.assert_close(tiled, whole[..., : size[0], : size[1]], rtol=0, atol=1e-12)


def test_it_can_be_scripted() -> None:
    network = random_network()
    image = torch.rand(1, 1, network.smallest_size + network.step, network.smallest_size, dtype=torch.float64)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))
