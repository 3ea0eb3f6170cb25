from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn
from torch.optim.swa_utils import AveragedModel

from unetpipe.handlers import AverageWeights, WeightAverage


def stepped(network: nn.Module, average: WeightAverage, values: list[float]) -> None:
    """Run an engine whose steps set the weight to the values one after another."""

    def step(engine: Engine, value: float) -> None:
        network.weight.data.fill_(value)

    engine = Engine(step)
    AverageWeights(average).attach(engine)
    engine.run(values)


def test_average_by_hand() -> None:
    """The first step is taken over; then the newest has a share of 10/11, 10/12, … until the momentum."""
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, momentum=0.9)
    stepped(network, average, [2.0])
    assert average.network.weight.item() == 2
    stepped(network, average, [13.0])
    assert average.network.weight.item() == pytest.approx(2 + 11 * 10 / 11)
    stepped(network, average, [2.0])
    assert average.network.weight.item() == pytest.approx(12 - 10 * 0.9)
    assert network.weight.item() == 2


def test_statistics_are_averaged_too_and_counters_taken_over() -> None:
    network = nn.BatchNorm2d(1)
    average = WeightAverage(network, momentum=0.5)
    for mean in (0.0, 11.0):
        network.running_mean.fill_(mean)
        network.num_batches_tracked.add_(1)
        average.update()
    assert average.network.running_mean.item() == pytest.approx(10)
    assert average.network.num_batches_tracked.item() == 2


def test_the_average_is_that_of_pytorch() -> None:
    def mix(averages: Any, newest: Any, steps: Any) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(list(averages), list(newest), max(0.1, 10 / (10 + int(steps))))
        else:
            torch._foreach_copy_(list(averages), list(newest))

    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    average, theirs = WeightAverage(network, 0.1), AveragedModel(network, multi_avg_fn=mix, use_buffers=True)
    for _ in range(5):
        network(torch.rand(2, 1, 8, 8)).sum().backward()
        torch.optim.SGD(network.parameters(), 0.1).step()
        average.update()
        theirs.update_parameters(network)
    assert average.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in average.state_dict().items())


def test_momentum_1_is_the_network_itself() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, momentum=1.0)
    stepped(network, average, [1.0, 5.0, 7.0])
    assert average.network.weight.item() == 7


def test_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    values = torch.randn(40).tolist()
    network = nn.Linear(1, 1, bias=False)
    whole, part, rest = (WeightAverage(network, 0.1) for _ in range(3))
    stepped(network, whole, values)
    stepped(network, part, values[:25])
    rest.load_state_dict(part.state_dict())
    stepped(network, rest, values[25:])
    assert torch.equal(rest.network.weight, whole.network.weight)


@pytest.mark.parametrize("momentum", [0.0, -0.1, 1.1])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match="momentum"):
        WeightAverage(nn.Linear(1, 1), momentum)
