"""The network of an evaluator keeps its own weights, and other weights loaded into it take effect."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.inferers import SimpleInferer
from workflows import workflow

from unetpipe.inferers import FoldingInferer
from unetpipe.networks import UNet
from unetpipe.networks.weights import fold_batch_norm


def random_network(seed: int) -> UNet:
    torch.manual_seed(seed)
    network = UNet(channels=(2, 4), norm="batch")
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.running_mean)
            torch.nn.init.uniform_(part.running_var, 0.5, 2)
    return network.eval()


@torch.no_grad()
def test_other_weights_take_effect() -> None:
    inferer, network, other = FoldingInferer(SimpleInferer()), random_network(0), random_network(1)
    image = torch.rand(1, 1, 66, 66)
    keys = list(network.state_dict())
    assert torch.equal(inferer(image, network), fold_batch_norm(network)(image))
    folded = inferer.folded
    inferer(image, network)
    assert inferer.folded is folded
    network.load_state_dict(other.state_dict())
    assert torch.equal(inferer(image, network), fold_batch_norm(other)(image))
    assert list(network.state_dict()) == keys


@pytest.mark.parametrize(
    ("configs", "evaluator"),
    [(["inference.json"], "evaluator"), (["train.json", "evaluate.json"], "validate#evaluator")],
)
def test_the_evaluators_of_the_bundle_keep_the_state_dict(
    configs: list[str], evaluator: str, trained: Path, tmp_path: Path
) -> None:
    made = workflow(configs, trained, output_dir=str(tmp_path), progress=False)
    made.initialize()
    state = made.parser.get_parsed_content(evaluator).network.state_dict()
    saved = torch.load(trained / "models" / "model.pt", weights_only=True)
    assert state.keys() == saved.keys()
    assert all(torch.equal(state[name].cpu(), saved[name]) for name in saved)
