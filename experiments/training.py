"""The training loop: everything on the device, no step waits for another."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
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
    network = recipe.network()
    highest = LEARNING_RATE * math.sqrt(recipe.batch / 8)
    if start is not None:
        load_weights(network, start)
        highest /= 4
    network = network.to(device, memory_format=torch.channels_last).train()
    average = MovingAverage(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=highest, weight_decay=0.01, fused=device.type == "cuda")
    chain = augmentation(recipe, recipe.tile, network.output_size(recipe.tile), seed)
    random = np.random.RandomState(seed)
    criterion = WeightedCrossEntropy()
    losses: list[Tensor] = []
    running = torch.zeros((), device=device)
    steps, began = 0, time.perf_counter()
    while (passed := (time.perf_counter() - began) / seconds) < 1:
        rate = highest * min(1.0, (steps + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * passed))
        for group in optimizer.param_groups:
            group["lr"] = rate
        item = chain(frames.batch(recipe.batch, random))
        image = item["image"].contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(image)
        loss = criterion(logits, item)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update()
        running += loss.detach()
        steps += 1
        if steps % LOSS_EVERY == 0:
            losses.append(running / LOSS_EVERY)
            running = torch.zeros((), device=device)
        if steps in (10, 200):
            say(f"  {recipe.name}: {steps} steps after {time.perf_counter() - began:.1f} s")
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    took = time.perf_counter() - began
    return Trained(average.network, steps, took, [float(loss) for loss in losses])
