"""On a GPU: what it could do at best, measured in the same run, against what the network takes.

The floor of a computation is the longer of two times: its operations at the rate of a large matrix product, and
reading each layer's input and weights and writing its output once at the rate of a large copy.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.speed.inference import count_operations, network_with_statistics
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row
from benchmarks.speed.training import train
from unetpipe.device import default_device
from unetpipe.inferers import AutocastInferer, OverlapTileInferer
from unetpipe.losses import WeightedCrossEntropy
from unetpipe.networks import UNet, fold_batch_norm

NAME = "gpu"
PAPERS_STEPS, PAPERS_HOURS = 60_000, 10.0  # on an NVidia Titan of 2015


def run(settings: Settings) -> list[Row]:
    """Measure floor, a 512² image, training steps at 572, the paper's training from 1,000 steps, waiting for data."""
    device = default_device()
    if device.type == "cpu":
        if not settings.quick:
            print("There is no GPU here: nothing is measured. (--quick makes a dry run on the CPU.)")
            return []
        print("There is no GPU here: a dry run on the CPU with tiny sizes, whose figures mean nothing.")
    width, side, tile, batches, steps = (64, 512, 572, (1, 8), 1000) if not settings.quick else (2, 100, 188, (1, 2), 3)
    channels = tuple(width * 2**level for level in range(5))
    size = 8192 if device.type == "cuda" else 256
    operations, traffic = matrix_rate(device, size), copy_rate(device, size)
    rows = [
        Row(NAME, f"matrix product of {size}², bfloat16", operations / 1e12, "TFLOP/s"),
        Row(NAME, "copy", traffic / 1e9, "GB/s"),
        forward(device, channels, side, operations, traffic),
    ]
    for batch in batches:
        step = training_step(device, channels, tile, batch)
        work = count_operations(step)
        seconds = seconds_a_call(step, device)
        share = 100 * work / seconds / operations
        bound = 40 if batch == 8 else None
        rows.append(
            Row(NAME, f"training step, {tile}-tiles, batch {batch}: share of the matrix rate", share, "%", bound=bound)
        )
        rows.append(Row(NAME, f"training step, {tile}-tiles, batch {batch}", 1000 * seconds, "ms"))
    step = training_step(device, channels, tile, 1)
    seconds = seconds_a_call(step, device, calls=steps, rounds=1)
    hours = PAPERS_STEPS * seconds / 3600
    rows.append(Row(NAME, f"the paper's training from {steps} steps (its Titan: {PAPERS_HOURS:g} h)", hours, "h"))
    return [*rows, waiting(device, channels, tile, batches[-1], settings.quick)]


def forward(device: torch.device, channels: tuple[int, ...], side: int, operations: float, traffic: float) -> Row:
    """Return the time of an image over its floor."""
    network = fold_batch_norm(network_with_statistics(channels)).to(device, memory_format=torch.channels_last)
    image = torch.rand(1, 1, side, side, device=device)

    def compute() -> Tensor:
        with torch.inference_mode():
            return AutocastInferer(OverlapTileInferer())(image, network)

    result = compute()
    assert tuple(result.shape) == (1, 2, side, side)
    assert result.isfinite().all()
    floor = max(count_operations(compute) / operations, bytes_moved(network, compute) / traffic)
    seconds = seconds_a_call(compute, device)
    return Row(
        NAME,
        f"{side}² image over its floor of {1000 * floor:.3g} ms",
        seconds / floor,
        relation="<=",
        bound=4,
        seen=f"{1000 * seconds:.3g} ms",
    )


def training_step(device: torch.device, channels: tuple[int, ...], tile: int, batch: int) -> Callable[[], None]:
    """Return a call that makes one step of the bundle's training on random pixels that lie on the device."""
    network = UNet(channels=channels, norm="batch", dropout=0.2).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    output = network.output_size(tile)
    image = torch.rand(batch, 1, tile, tile, device=device)
    label = torch.randint(0, 2, (batch, 1, output, output), device=device)
    truth = {"label": label, "weight": torch.ones_like(label, dtype=torch.float32)}
    inferer = AutocastInferer(lambda inputs, network: network(inputs))  # type: ignore[arg-type]
    loss_function = WeightedCrossEntropy()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_function(inferer(image, network), truth).backward()
        optimizer.step()

    return step


def waiting(device: torch.device, channels: tuple[int, ...], tile: int, batch: int, quick: bool) -> Row:
    """Return the share of the time in which the network waits for what the bundle's transforms make."""
    frames, steps, workers = (24, 50, os.cpu_count() or 1) if not quick else (4, 2, 1)
    with tempfile.TemporaryDirectory() as folder:
        share, _ = train(
            Path(folder),
            frames,
            channels=channels,
            tile=tile,
            batch_size=batch,
            num_workers=workers,
            steps_per_epoch=steps,
            max_epochs=2,
            device=f"$torch.device('{device}')",
        )
    what = f"training, {tile}-tiles, batch {batch}, {workers} workers: share of the time in which it waits for data"
    return Row(NAME, what, 100 * share, "%", "<=", 5)


def matrix_rate(device: torch.device, size: int) -> float:
    """Return the operations a second of a square matrix product in bfloat16."""
    left, right = (torch.rand(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / seconds_a_call(lambda: left @ right, device)


def copy_rate(device: torch.device, size: int) -> float:
    """Return the bytes a second that a copy reads and writes."""
    source = torch.rand(size, size, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_a_call(lambda: target.copy_(source), device)


def bytes_moved(network: nn.Module, compute: Callable[[], Any]) -> int:
    """Return the bytes of each convolution's input, weights and output, in bfloat16."""
    values = 0

    def count(layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal values
        values += given[0].numel() + result.numel() + layer.weight.numel()  # type: ignore[operator,union-attr]

    hooks = [
        part.register_forward_hook(count)
        for part in network.modules()
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)
    ]
    compute()
    for hook in hooks:
        hook.remove()
    return 2 * values


def seconds_a_call(job: Callable[[], Any], device: torch.device, calls: int | None = None, rounds: int = 5) -> float:
    """Return the wall seconds of a call: the median of rounds of several calls, after some that do not count."""
    calls = calls or (10 if device.type == "cuda" else 1)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(3):
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
