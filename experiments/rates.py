"""What the device can do, and what a training step takes of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

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
    work = operations(network, tile, device)
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
    network = UNet(channels=channels, norm="batch").to(device, memory_format=torch.channels_last)
    network = fold_batch_norm(network.eval())
    image = torch.rand(1, 1, side, side, device=device)

    def compute() -> None:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            network(image)

    taken = seconds_a_call(compute, device)
    yield f"forward, {channels[0]} … {channels[-1]}, {side}, ms", 1000 * taken
    yield (
        f"forward, {channels[0]} … {channels[-1]}, {side}, over its arithmetic",
        taken * rate / operations(network, side, device),
    )


@torch.no_grad()
def operations(network: nn.Module, tile: int, device: torch.device) -> int:
    """Return the operations of the convolutions in a forward pass of one tile: two for each product and sum."""
    total = 0

    def count(layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal total
        # each weight meets each pixel of the output once, in a convolution upwards each pixel of the input
        pixels = given[0] if isinstance(layer, nn.ConvTranspose2d) else result
        total += 2 * layer.weight.numel() * pixels.shape[-2] * pixels.shape[-1]  # type: ignore[operator,union-attr]

    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    network(torch.zeros(1, 1, tile, tile, device=device))
    for hook in hooks:
        hook.remove()
    return total


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
