"""The training loop: everything on the device, no step waits for another."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.augmentation import augmentation
from experiments.average import MovingAverage
from experiments.device_frames import DeviceFrames
from experiments.recipes import Recipe
from unetpipe.losses import WeightedCrossEntropy
from unetpipe.networks import UNet, load_weights

LEARNING_RATE = 0.002  # of 8 tiles a step; it grows with the root of their number
WARM_UP = 100  # steps
LOSS_EVERY = 50  # steps
REPLAYED_AFTER = 60  # steps
SAID = (10, 60, 110, 1000)  # steps


@dataclass
class Trained:
    """A trained network and how it went."""

    network: UNet
    steps: int
    seconds: float
    losses: list[float] = field(default_factory=list)

    def summary(self, batch: int) -> dict[str, Any]:
        """Return what is kept of it."""
        rate = 1000 * self.seconds / max(self.steps, 1)
        losses = [round(loss, 4) for loss in self.losses]
        return {
            "steps": self.steps,
            "tiles": self.steps * batch,
            "seconds": round(self.seconds, 1),
            "ms_a_step": round(rate, 2),
            "losses": losses,
        }


def train(
    recipe: Recipe,
    frames: DeviceFrames,
    device: torch.device,
    seconds: float,
    seed: int = 0,
    start: str | os.PathLike | None = None,
    say: Callable[[str], None] = print,
) -> Trained:
    """Train a network for some seconds; the learning rate falls by a cosine over that time.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    frames : DeviceFrames
        The training frames.
    device : torch.device
        Where.
    seconds : float
        Time from the first step to the last.
    seed : int
        Of weights, draws and dropout.
    start : path, optional
        Weights of this network to begin with; the learning rate is then a quarter.
    say : callable
        Takes a line now and then.
    """
    torch.manual_seed(seed)
    network = UNet(recipe.in_channels, 2, recipe.channels, "batch", recipe.dropout)
    highest = LEARNING_RATE * math.sqrt(recipe.batch / 8)
    if start is not None:
        load_weights(network, start)
        highest /= 4
    network = network.to(device, memory_format=torch.channels_last).train()
    average = MovingAverage(network)
    step: Step | ReplayedStep = Step(network, highest, device)
    chain = augmentation(recipe, recipe.tile, network.output_size(recipe.tile), seed)
    random = np.random.RandomState(seed)
    losses: list[Tensor] = []
    running = torch.zeros((), device=device)
    steps, began = 0, time.perf_counter()
    while (passed := (time.perf_counter() - began) / seconds) < 1:
        step.set_rate(highest * min(1.0, (steps + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * passed)))
        item = chain(frames.batch(recipe.batch, random))
        item["image"] = item["image"].contiguous(memory_format=torch.channels_last)
        running += step(item)
        average.update()
        steps += 1
        if steps % LOSS_EVERY == 0:
            losses.append(running / LOSS_EVERY)
            running = torch.zeros((), device=device)
        if steps in SAID:
            _finish(device)
            say(f"  {recipe.name}: {steps} steps after {time.perf_counter() - began:.2f} s")
        if steps == REPLAYED_AFTER and device.type == "cuda":
            step = _replayed(step, item, say)
    _finish(device)
    took = time.perf_counter() - began
    return Trained(average.network, steps, took, [float(loss) for loss in losses])


class Step:
    """A training step: forward, loss, backward, optimiser.

    Parameters
    ----------
    network : UNet
        What is trained.
    rate : float
        The first learning rate.
    device : torch.device
        Where the network is.
    """

    def __init__(self, network: UNet, rate: float, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        self.network, self.device = network, device
        # a tensor, so that a replayed step reads what it is by then
        self.rate = torch.tensor(rate, device=device)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.rate, weight_decay=0.01, fused=on_gpu, capturable=on_gpu
        )
        self.criterion = WeightedCrossEntropy()

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        self.rate.fill_(rate)

    def __call__(self, item: Mapping[str, Tensor]) -> Tensor:
        """Train on "image", "label" and "weight"; return the loss, a scalar on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        # without a cache of weights in half precision, which a replayed step would not renew
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            logits = self.network(item["image"])
        loss = self.criterion(logits, item)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class ReplayedStep:
    """A step that was recorded as a CUDA graph: Python starts one thing instead of a thousand kernels.

    Parameters
    ----------
    step : Step
        What is recorded; it was called before, so that everything is chosen and allocated.
    item : mapping
        A batch, whose shapes all others have.
    """

    def __init__(self, step: Step, item: Mapping[str, Tensor]) -> None:
        self.set_rate = step.set_rate
        self.item = {key: item[key].clone() for key in ("image", "label", "weight")}
        self.graph = torch.cuda.CUDAGraph()
        step.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.loss = step(self.item)

    def __call__(self, item: Mapping[str, Tensor]) -> Tensor:
        """Train on a batch; the loss is overwritten by the next one."""
        for key, own in self.item.items():
            own.copy_(item[key])
        self.graph.replay()
        return self.loss


def _replayed(step: Any, item: Mapping[str, Tensor], say: Callable[[str], None]) -> Any:
    """Return the recorded step, or the step itself where it cannot be recorded."""
    try:
        return ReplayedStep(step, item)
    except RuntimeError as error:
        say(f"  steps are not replayed: {error}")
        return step


def _finish(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
