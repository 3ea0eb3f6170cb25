"""A moving average of a network's weights that never waits for the device."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """Keep an exponential moving average of weights and normalisation statistics.

    It is that of :class:`unetpipe.handlers.WeightAverage`, but counts its steps on the host.

    Parameters
    ----------
    network : Module
        The network that is trained.
    momentum : float
        Share of the newest weights; early on it is larger, so that the first weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, momentum: float = 0.005) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.momentum = momentum
        self.steps = 0
        self.newest, self.average = (self._numbers(part) for part in (network, self.network))

    @staticmethod
    def _numbers(network: nn.Module) -> list[Tensor]:
        state = network.state_dict(keep_vars=True).values()
        return [value.detach() for value in state if value.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the newest weights into the average."""
        share = max(self.momentum, 10 / (10 + self.steps))
        torch._foreach_lerp_(self.average, self.newest, share)
        self.steps += 1
