from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from unetpipe.errors import InputError
from unetpipe.networks import UNet, fold_batch_norm, inference_network, save_state
from unetpipe.networks.baselines import SmallUNet


def trained() -> UNet:
    """Return a network whose batch norms have statistics and factors of their own."""
    torch.manual_seed(0)
    network = UNet(1, 2, (4, 8, 8), norm="batch", dropout=0.5)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    return network


def test_folded_network_computes_the_same() -> None:
    network, image = trained().eval(), torch.rand(2, 1, 60, 76)
    folded = fold_batch_norm(network)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(image), network(image), atol=1e-4, rtol=1e-5)


def test_network_itself_stays_as_it_is() -> None:
    network = trained().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold_batch_norm(network)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_memory_format_and_sizes_are_kept() -> None:
    network = trained().to(memory_format=torch.channels_last)
    folded = fold_batch_norm(network)
    assert folded.down[1][0].weight.is_contiguous(memory_format=torch.channels_last)
    assert (folded.margin, folded.step) == (network.margin, network.step)


def test_network_without_batch_norm() -> None:
    network, image = UNet(1, 2, (4, 8)).eval(), torch.rand(1, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(fold_batch_norm(network)(image), network(image))


def test_weights_are_loaded(tmp_path: Path) -> None:
    network, image = trained(), torch.rand(1, 1, 60, 60)
    save_state(network.state_dict(), tmp_path / "model.pt")
    ready = inference_network(UNet(1, 2, (4, 8, 8), norm="batch"), tmp_path / "model.pt")
    assert not ready.training
    with torch.no_grad():
        torch.testing.assert_close(ready(image), network.eval()(image), atol=1e-4, rtol=1e-5)
    with pytest.raises(InputError, match="another size"):
        inference_network(UNet(1, 2, (2, 8, 8), norm="batch"), tmp_path / "model.pt")


def test_an_autoencoder_segments_nothing(tmp_path: Path):
    network = SmallUNet(1, 1, (2, 2), skips=[])
    save_state(network.state_dict(), tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"model\.pt belongs to a network with one output channel, such as"):
        inference_network(network, tmp_path / "model.pt")
