from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SimpleInferer
from torch import Tensor, nn

from unetpipe.inferers import AutocastInferer, OverlapTileInferer, autocast
from unetpipe.networks import UNet


class Probe(nn.Module):
    """A convolution that remembers the dtype of what it made."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        result = self.convolution(x)
        self.dtype = result.dtype
        return result


@pytest.fixture(params=[True, False])
def fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let the machine have bfloat16 in hardware, or not."""
    monkeypatch.setattr(autocast, "bfloat16_is_fast", lambda device_type: request.param)
    return request.param


@pytest.mark.parametrize("amp", [True, False])
def test_bfloat16_inside_and_float32_outside(fast: bool, amp: bool) -> None:
    probe = Probe()
    result = AutocastInferer(SimpleInferer(), amp)(torch.rand(1, 1, 8, 9), probe)
    assert probe.dtype == (torch.bfloat16 if amp and fast else torch.float32)
    assert result.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")


def test_without_amp_nothing_changes() -> None:
    probe, image = Probe(), torch.rand(1, 1, 8, 9)
    assert torch.equal(AutocastInferer(SimpleInferer(), amp=False)(image, probe), probe(image))


def test_amp_stays_near_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autocast, "bfloat16_is_fast", lambda device_type: True)
    torch.manual_seed(0)
    network, image = UNet(channels=(4, 4)).eval(), torch.rand(1, 1, 30, 20)
    with torch.no_grad():
        plain = OverlapTileInferer(26)(image, network)
        result = AutocastInferer(OverlapTileInferer(26))(MetaTensor(image, meta={"name": "cells"}), network)
    assert isinstance(result, MetaTensor)
    assert result.meta["name"] == "cells"
    difference = (result.as_tensor() - plain).abs().max()
    assert 0 < difference < 0.05 * plain.abs().max()


def test_arguments_reach_the_inferer() -> None:
    def network(x: Tensor, factor: float, offset: float) -> Tensor:
        return factor * x + offset

    result = AutocastInferer(SimpleInferer(), amp=False)(torch.ones(1, 1, 2, 2), network, 2.0, offset=3.0)
    assert torch.equal(result, torch.full((1, 1, 2, 2), 5.0))


def test_unknown_device_is_not_fast() -> None:
    assert autocast.bfloat16_is_fast("mps") is False


@torch.no_grad()
def test_weights_are_converted_once_and_again_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autocast, "bfloat16_is_fast", lambda device_type: True)
    network, image = UNet(channels=(2, 4)).eval(), torch.rand(1, 1, 44, 44)
    inferer = AutocastInferer(SimpleInferer())

    def expected() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return network(image).float()

    assert torch.equal(inferer(image, network), expected())
    before = inferer._in_bfloat16(network)
    assert inferer._in_bfloat16(network) is before
    network.classify.bias.add_(1.0)
    assert torch.equal(inferer(image, network), expected())
    assert network.classify.bias.dtype == torch.float32
