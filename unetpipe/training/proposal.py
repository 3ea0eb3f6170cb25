"""Propose width and tile of a training from the size of the cells, the size of the images and the machine."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from monai.inferers import SimpleInferer

from unetpipe.device import default_device, gpu_memory
from unetpipe.inferers import AutocastInferer
from unetpipe.losses import WeightedCrossEntropy
from unetpipe.networks import UNet

CELLS_A_TILE = 5  # output tile in cell diameters: whole cells, their contacts, background on both sides
SMALLEST_OUTPUT, LARGEST_OUTPUT_CPU, LARGEST_OUTPUT_GPU = 64, 260, 388
SMALL_CELL = 12  # px; below it a U-Net of three poolings sees several cells to each side
LARGE_CELL = 120  # px; above it a cell is wider than what the network sees around a pixel
DEFAULT_STEPS, CPU_MINUTES = 6000, 10.0
LEARNING_RATE = 0.001  # of one tile a step
LARGEST_BATCH = 8  # more tiles a step than these gain little time, and fewer steps learn less


class Machine(NamedTuple):
    """What training runs on: GPU memory in GB (0 without a GPU), CPU cores, main memory in GB (0 if unknown)."""

    gpu_memory: float
    cores: int
    memory: float

    def __str__(self) -> str:
        """Describe it in a few words."""
        gpu = f"a GPU with {self.gpu_memory:.0f} GB" if self.gpu_memory else "no GPU"
        return f"{gpu}, {self.cores} CPU core(s)" + (f", {self.memory:.0f} GB memory" if self.memory else "")


class Proposal(NamedTuple):
    """Proposed ``channels`` of each level, ``tile`` (input of the network, px) and ``output`` of that tile (px).

    ``batch_size`` tiles make a step; ``learning_rate`` goes with it.
    """

    channels: tuple[int, ...]
    tile: int
    output: int
    batch_size: int = 1
    learning_rate: float = LEARNING_RATE


def this_machine() -> Machine:
    """Return what PyTorch and the operating system report."""
    gpu = gpu_memory(default_device()) / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        memory = 0.0
    return Machine(gpu, cores, memory)


def propose(diameter: float, largest_side: int, machine: Machine, in_channels: int = 1) -> Proposal:
    """Propose width, tile, batch size and learning rate.

    The output tile spans five cell diameters, within what the images and the machine allow. The width at full
    resolution is 64 on a GPU of 15 GB or more, 32 on a smaller GPU or 16 cores, else 16; it doubles at each of four
    poolings (three for cells below 12 pixels) and is halved until a training step fits half of the memory.
    On a GPU a batch has up to 8 tiles, as long as they fit half of its memory. The learning rate grows by the root of
    the batch size, as suits optimisers that scale their steps, such as AdamW.

    Parameters
    ----------
    diameter : float
        Diameter of the median cell in pixels.
    largest_side : int
        Longest side of an image in pixels.
    machine : Machine
        Where training will run.
    in_channels : int
        Channels of the images.
    """
    depth = 3 if diameter < SMALL_CELL else 4
    arithmetic = UNet(in_channels, channels=(1,) * (depth + 1))  # sizes depend only on the depth
    largest = LARGEST_OUTPUT_GPU if machine.gpu_memory else LARGEST_OUTPUT_CPU
    wanted = min(max(math.ceil(CELLS_A_TILE * diameter), SMALLEST_OUTPUT), largest, largest_side)
    tile = arithmetic.input_size(wanted)
    width = 16
    if machine.gpu_memory >= 15:
        width = 64
    elif machine.gpu_memory or machine.cores >= 16:
        width = 32
    available = (machine.gpu_memory or machine.memory or 8.0) / 2
    while width > 8 and step_memory(width, depth, tile) > available:
        width //= 2
    batch = LARGEST_BATCH if machine.gpu_memory else 1
    while batch > 1 and step_memory(width, depth, tile, batch) > available:
        batch //= 2
    channels = tuple(width * 2**level for level in range(depth + 1))
    rate = round(LEARNING_RATE * math.sqrt(batch), 4)
    return Proposal(channels, tile, arithmetic.output_size(tile), batch, rate)


def step_memory(width: int, depth: int, tile: int, batch: int = 1) -> float:
    """Estimate the GB that a training step takes: eleven maps a level, and four values a weight (AdamW)."""
    maps = sum(11 * width * 2**level * (tile / 2**level) ** 2 for level in range(depth + 1))
    weights = 31e6 * (width * 2**depth / 1024) ** 2  # 31 million where the bottom of the U has 1024 channels
    return 4 * (batch * maps + 4 * weights) / 2**30


def proposed_network(proposal: Proposal, in_channels: int = 1) -> UNet:
    """Return the proposed network with random weights."""
    return UNet(in_channels, channels=proposal.channels, norm="batch")


def seconds_a_step(network: UNet, tile: int, batch_size: int = 1) -> float:
    """Time a training step of a network on random pixels: the quicker of two.

    On a CPU one thread computes, and its processor time is divided by the number of threads, so that other programs do
    not count. With several threads, the processor time would include the time in which they wait for each other. The
    network and PyTorch's random numbers do not change.

    Parameters
    ----------
    network : UNet
        Or another network of two classes with its ``in_channels`` and ``output_size``.
    tile : int
        Side of its input in pixels.
    batch_size : int
        Tiles in a step.
    """
    device = default_device()
    on_cpu = device.type == "cpu"
    threads, clock = (torch.get_num_threads(), time.process_time) if on_cpu else (1, time.perf_counter)
    seconds = []
    with torch.random.fork_rng(), _one_thread() if on_cpu else nullcontext():
        network = copy.deepcopy(network).to(device)
        optimizer = torch.optim.AdamW(network.parameters())
        image = torch.randn(batch_size, network.in_channels, tile, tile, device=device)
        output = network.output_size(tile)
        label = torch.zeros(batch_size, 1, output, output, device=device)
        truth = {"label": label, "weight": torch.ones_like(label)}
        inferer = AutocastInferer(SimpleInferer())  # as a training computes
        for _ in range(3):  # the first one warms up
            start = clock()
            optimizer.zero_grad()
            loss = WeightedCrossEntropy()(inferer(image, network), truth)
            loss.backward()
            optimizer.step()
            float(loss.detach())  # waits for the GPU
            seconds.append((clock() - start) / threads)
    return min(seconds[1:])


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def epochs_within(seconds: float, minutes: float = CPU_MINUTES, steps: int = 100) -> int:
    """Return how many epochs of ``steps`` steps last about ``minutes``: an even number from 10 to 60."""
    return min(max(int(minutes * 60 / (seconds * steps)) // 2 * 2, 10), DEFAULT_STEPS // steps)
