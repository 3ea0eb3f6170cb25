"""Moving average of the weights over the last steps. The averaged network is validated and saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """Keep an exponential moving average of a network's weights and normalisation statistics.

    With one tile a step the weights are noisy; their average is less so. At step n the newest weights have a share of
    at least 10 / (10 + n), so that the average soon forgets the random weights of the beginning.

    Parameters
    ----------
    network : Module
        The network that is trained.
    momentum : float
        Share of the newest weights in the average, above 0, at most 1; 0.005 averages over about 200
        steps, 1 keeps no average.

    Attributes
    ----------
    network : Module
        The averaged network.

    References
    ----------
    B. Polyak, A. Juditsky: Acceleration of stochastic approximation by averaging, 1992.
    """

    def __init__(self, network: nn.Module, momentum: float = 0.005) -> None:
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum={momentum} must be above 0 and at most 1.")
        self.momentum = momentum
        self.online = network
        self.averaged = AveragedModel(network)

    @property
    def network(self) -> nn.Module:
        """The averaged network."""
        return self.averaged.module

    @torch.no_grad()
    def update(self) -> None:
        """Add the newest weights to the average, by one call for all tensors of a kind.

        PyTorch's ``update_parameters`` copies the number of steps to the GPU and reads it there: each step would wait.
        """
        steps = int(self.averaged.n_averaged)  # it is on the CPU
        pairs = list(zip(_tensors(self.network), _tensors(self.online), strict=True))
        mixed = [pair for pair in pairs if steps and pair[0].is_floating_point()]
        copied = [pair for pair in pairs if not (steps and pair[0].is_floating_point())]
        if mixed:
            averages, newest = zip(*mixed, strict=True)
            torch._foreach_lerp_(averages, newest, max(self.momentum, 10 / (10 + steps)))
        if copied:
            averages, newest = zip(*copied, strict=True)
            torch._foreach_copy_(averages, newest)
        self.averaged.n_averaged += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged weights and the number of steps they hold."""
        return self.averaged.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a saved average."""
        self.averaged.load_state_dict(state)


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())


class AverageWeights:
    """Handler of a trainer that updates a :class:`WeightAverage` after each step."""

    def __init__(self, average: WeightAverage) -> None:
        self.average = average

    def attach(self, engine: Engine) -> None:
        """Update at the end of each iteration."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.average.update)
