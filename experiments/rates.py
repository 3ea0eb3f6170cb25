"""What the device can do, and what a training step takes of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unetpipe.losses import WeightedCrossEntropy
from unetpipe.networks import UNet, fold_batch_norm

PAPER = (64, 128, 256, 512, 1024)
PAPERS_STEPS = 60_000


def measure(device: torch.device, seconds: float, tiny: bool = False) -> Iterator[tuple[str, float]]:
    """Yield what was measured and its figure, row by row, until the time is up.

    Parameters
    ----------
    device : torch.device
        Where.
    seconds : float
        No row is begun after this time.
    tiny : bool
        Sizes for a dry run.
    """
    end = time.perf_counter() + seconds
    size = 256 if tiny else 8192
    left, right = (torch.rand(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    rate = 2 * size**3 / seconds_a_call(lambda: left @ right, device)
    yield "matrix product, bfloat16, TFLOP/s", rate / 1e12
    target = torch.empty_like(left)
    yield "copy, GB/s", 2 * left.nbytes / seconds_a_call(lambda: target.copy_(left), device) / 1e9
    channels, tile = ((4, 8), 60) if tiny else (PAPER, 572)
    network = UNet(channels=channels, norm="batch").to(device, memory_format=torch.channels_last)
    work = operations(channels, tile)
    for batch in (8, 1, 16):
        if time.perf_counter() > end:
            return
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        taken = seconds_a_call(training_step(network, tile, batch, device), device)
        what = f"training step, {channels[0]} … {channels[-1]}, {tile}, batch {batch}"
        yield f"{what}, ms", 1000 * taken
        yield f"{what}, share of the matrix rate", 3 * work * batch / taken / rate
        yield f"the paper's {PAPERS_STEPS} steps, batch {batch}, minutes", PAPERS_STEPS * taken / 60
        if device.type == "cuda":
            yield f"{what}, peak memory, GB", torch.cuda.max_memory_allocated(device) / 1e9
    for width in (64, 32):
        if time.perf_counter() > end:
            return
        yield from forward(width, device, tiny, rate)


def forward(width: int, device: torch.device, tiny: bool, rate: float) -> Iterator[tuple[str, float]]:
    """Yield the time of a 512² image in one pass and over its arithmetic floor."""
    channels, side = ((4, 8), 60) if tiny else (tuple(width * 2**level for level in range(5)), 700)
    network = fold_batch_norm(UNet(channels=channels, norm="batch").eval()).to(device)
    network = network.to(memory_format=torch.channels_last)
    image = torch.rand(1, 1, side, side, device=device)

    def compute() -> None:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            network(image)

    taken = seconds_a_call(compute, device)
    yield f"forward, {channels[0]} … {channels[-1]}, {side}, ms", 1000 * taken
    yield (
        f"forward, {channels[0]} … {channels[-1]}, {side}, over its arithmetic",
        taken * rate / operations(channels, side),
    )


def operations(channels: tuple[int, ...], tile: int) -> int:
    """Return the operations of a forward pass of one tile."""
    with torch.device("meta"):
        network = UNet(channels=channels, norm="batch")
        counter = FlopCounterMode(display=False)
        with counter:
            network(torch.empty(1, 1, tile, tile))
    return counter.get_total_flops()


def training_step(network: UNet, tile: int, batch: int, device: torch.device) -> Callable[[], None]:
    """Return a call that makes one step on random pixels."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), fused=device.type == "cuda")
    output = network.output_size(tile)
    image = torch.rand(batch, 1, tile, tile, device=device)
    label = torch.randint(0, 2, (batch, 1, output, output), device=device)
    truth = {"label": label, "weight": torch.ones_like(label, dtype=torch.float32)}
    criterion = WeightedCrossEntropy()

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(image)
        criterion(logits, truth).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def seconds_a_call(job: Callable[[], Any], device: torch.device, calls: int = 5, rounds: int = 3) -> float:
    """Return the seconds of a call: the median of rounds of several calls, after two that do not count."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(2):
        job()
    times = []
    for _ in range(rounds):
        wait()
        start = time.perf_counter()
        for _ in range(calls):
            job()
        wait()
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times)


def parameters(network: nn.Module) -> int:
    """Return the number of values in a network's state."""
    return sum(value.numel() for value in network.state_dict().values())
