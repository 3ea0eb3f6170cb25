"""On a GPU: what it could do at best, measured in the same run, against what the network and the whole way take.

The floor of a computation is the longer of two times: its operations at the rate of a large matrix product, and
reading each layer's input and weights and writing its output once at the rate of a large copy.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.profiler import profile

from benchmarks.speed.cells import cell_image, cell_map
from benchmarks.speed.inference import count_operations, network_with_statistics
from benchmarks.speed.segmenting import warm_evaluator
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row
from benchmarks.speed.training import write_frames
from unetpipe.bundle.settings import as_text
from unetpipe.bundle.writing import find_bundle
from unetpipe.device import default_device
from unetpipe.files import first_line
from unetpipe.inferers import AutocastInferer, OverlapTileInferer
from unetpipe.losses import WeightedCrossEntropy
from unetpipe.networks import UNet, fold_batch_norm, save_state

NAME = "gpu"
LONGEST = 40  # operations of a step that are listed
PAPERS_STEPS, PAPERS_HOURS = 60_000, 10.0  # on an NVidia Titan of 2015
QUICK: dict[str, Any] = {"channels": [2, 4, 8, 16, 32], "tile": 188, "steps_per_epoch": 2}
RECIPE = """
import json, sys, time
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
import unetpipe.handlers, unetpipe.report, unetpipe.training
values, seconds, threads = json.loads(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
start = time.perf_counter()
workflow = ConfigWorkflow(logging_file=False, workflow_type="train", progress=False, **values)
workflow.initialize()
trainer, evaluator = (workflow.parser.get_parsed_content(f"{part}") for part in ("train#trainer", "validate#evaluator"))
said = {"waiting": [], "step": [], "validation": []}
def first_step(engine):
    said["first"] = time.perf_counter() - start
def begin(engine):
    said["since"] = time.perf_counter()
def end(engine):
    said["validation"].append(time.perf_counter() - said["since"])
def enough(engine):
    said["waiting"].append(engine.state.metrics["waiting"])
    said["step"].append(engine.state.metrics["step_seconds"])
    if time.perf_counter() - start > seconds and said["validation"]:
        engine.terminate()
trainer.add_event_handler(Events.ITERATION_COMPLETED(once=1), first_step)
trainer.add_event_handler(Events.EPOCH_COMPLETED, enough)
evaluator.add_event_handler(Events.STARTED, begin)
evaluator.add_event_handler(Events.COMPLETED, end)
workflow.run()
print("MEASURED", json.dumps(said))
"""


def run(settings: Settings) -> Iterator[Row]:
    """Yield row after row, so that each is known as soon as it is measured; none is begun when the time is up."""
    device = default_device()
    if device.type == "cpu":
        if not settings.quick:
            print("There is no GPU here: nothing is measured. (--quick makes a dry run on the CPU.)")
            return
        print("There is no GPU here: a dry run on the CPU with tiny sizes, whose figures mean nothing.", flush=True)
    end = time.perf_counter() + settings.seconds
    for name, part in PARTS.items():
        if settings.parts and name not in settings.parts:
            continue
        if time.perf_counter() > end:
            print(f"The {settings.seconds:g} s are over: what is left is not measured.", flush=True)
            return
        yield from part(device, settings)


def rates_and_forward(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield matrix rate, copy rate, and the time of an image over its floor."""
    size = 256 if settings.quick else 8192
    operations, traffic = matrix_rate(device, size), copy_rate(device, size)
    yield Row(NAME, f"matrix product of {size}², bfloat16", operations / 1e12, "TFLOP/s")
    yield Row(NAME, "copy", traffic / 1e9, "GB/s")
    yield forward(device, widths(settings), 100 if settings.quick else 512, operations, traffic)


def steps(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield the time of a training step, its share of the matrix rate, and the memory at its peak."""
    yield from _steps(device, settings, (1, 2) if settings.quick else (1, 8, 16))


def measured_step(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield the same with the algorithm of each convolution chosen by measuring all of them, which takes seconds."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, benchmark_limit=0):
        yield from _steps(device, settings, (2 if settings.quick else 8,), ", algorithms measured")


def compiled_step(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield the same of a compiled network; ``compile`` is a key of the training."""
    if device.type != "cuda":
        return
    try:
        yield from _steps(device, settings, (8,), ", compiled", compiled=True)
    except Exception as error:  # it needs a C compiler, for example
        print(f"The compiled step is not measured: {first_line(error)}", flush=True)


def _steps(
    device: torch.device, settings: Settings, sizes: tuple[int, ...], how: str = "", compiled: bool = False
) -> Iterator[Row]:
    operations = matrix_rate(device, 256 if settings.quick else 8192)
    tile = 188 if settings.quick else 572
    for batch in sizes:
        what = f"training step, {tile}-tiles, batch {batch}{how}"
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        work = count_operations(training_step(device, widths(settings), tile, batch))
        step = training_step(device, widths(settings), tile, batch, compiled)
        seconds = seconds_a_call(step, device)
        bound = 40 if batch == 8 else None
        yield Row(NAME, f"{what}: share of the matrix rate", 100 * work / seconds / operations, "%", bound=bound)
        yield Row(NAME, what, 1000 * seconds, "ms")
        if device.type == "cuda":
            yield Row(NAME, f"{what}: peak memory", torch.cuda.max_memory_allocated(device) / 1e9, "GB")
        del step


def longest_operations(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield the operations of a training step that take longest, with the sizes of the tensors that they take."""
    tile, batch = (188, 2) if settings.quick else (572, 8)
    step = training_step(device, widths(settings), tile, batch)
    for _ in range(3):
        step()
    with profile(record_shapes=True) as profiler:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    clock = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    # a kernel's time is counted in the operation that calls it
    events = [event for event in profiler.key_averages(True) if event.key.startswith("aten::")]
    for event in sorted(events, key=lambda event: -getattr(event, clock))[:LONGEST]:
        sizes = ", ".join("×".join(map(str, shape)) for shape in event.input_shapes if shape)
        name = event.key.removeprefix("aten::") + (f" of {sizes}" if sizes else "")  # a list of tensors has no size
        what = f"training step, {tile}-tiles, batch {batch}, {event.count} × {name}"
        yield Row(NAME, what, getattr(event, clock) / 1000, "ms")


def paper(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield the time of the paper's steps, from some of them."""
    tile, count = (188, 3) if settings.quick else (572, 1000)
    for batch, bound in ((1, 10.0), (8, 5.0)):
        calls = max(count // batch, 1)
        seconds = seconds_a_call(training_step(device, widths(settings), tile, batch), device, calls=calls, rounds=1)
        minutes = PAPERS_STEPS / batch * seconds / 60
        what = (
            f"the paper's {PAPERS_STEPS} tiles in batches of {batch}, from {calls} steps (in 2015: {PAPERS_HOURS:g} h)"
        )
        yield Row(NAME, what, minutes, "min", "<=", bound)


def recipe(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield what a training by ``dic_hela.json`` takes, in a process of its own."""
    frames, seconds = (4, 0.0) if settings.quick else (24, min(60.0, settings.seconds / 4))
    bundle = find_bundle()
    with tempfile.TemporaryDirectory() as folder:
        write_frames(Path(folder) / "data", frames)
        values = {
            "bundle_root": str(bundle),
            "config_file": [str(bundle / "configs" / name) for name in ("train.json", "dic_hela.json")],
            "dataset_dir": f"{folder}/data",
            "output_dir": f"{folder}/out",
            "val_frames": f"{frames - max(frames // 10, 1)}-{frames - 1}",
            "num_workers": 0 if settings.quick else min(os.cpu_count() or 1, 8),
            "val_interval": 1 if settings.quick else 4,
            **(QUICK if settings.quick else {}),
        }
        arguments = [json.dumps(values), str(seconds), str(torch.get_num_threads())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
        result = subprocess.run(
            [sys.executable, "-c", RECIPE, *arguments], capture_output=True, text=True, check=False, env=environment
        )
        if result.returncode:
            print(result.stderr[-2000:], file=sys.stderr)
            return
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("MEASURED")]
    said = json.loads(line.removeprefix("MEASURED"))
    step, waiting = (statistics.median(said[name][1:] or said[name]) for name in ("step", "waiting"))
    yield Row(NAME, "dic_hela.json: steps", (1 - waiting) / max(step, 1e-9), "/s")
    yield Row(NAME, "dic_hela.json: share of the time in which the network waits", 100 * waiting, "%", "<=", 5)
    yield Row(
        NAME, "dic_hela.json: from the start, after imports, to the end of the first step", said["first"], "s", "<=", 15
    )
    yield Row(NAME, "dic_hela.json: a validation", statistics.median(said["validation"]), "s")


def images(device: torch.device, settings: Settings) -> Iterator[Row]:
    """Yield how many images a second go from file to mask, and through the network only."""
    side, count, cells = (100, 3, 4) if settings.quick else (512, 512, 50)
    picture = cell_image(cell_map(side, cells))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "images"
        data.mkdir()
        for number in range(count):
            Image.fromarray(np.roll(picture, 37 * number, axis=1)).save(data / f"{number:04d}.tif")
        for width in (2, 4) if settings.quick else (32, 64):
            channels = [width * 2**level for level in range(5)]
            weights = Path(folder) / f"{width}.pt"
            save_state(network_with_statistics(tuple(channels)).state_dict(), weights)
            values = {"weights": as_text(weights), "channels": channels}
            evaluator = warm_evaluator(data, Path(folder) / f"masks{width}", device, **values)
            evaluator.run()  # the first run ended before all processes had begun
            start = time.perf_counter()
            evaluator.run()
            whole = time.perf_counter() - start
            network, image = evaluator.inferer.folded, torch.rand(1, 1, side, side, device=device)
            alone = seconds_a_call(inference(network, image), device)
            bound = 100 if width == 32 else None
            yield Row(NAME, f"{side}² images from file to mask, width {width}", count / whole, "/s", bound=bound)
            yield Row(NAME, f"{side}² images through the network only, width {width}", 1 / alone, "/s")


PARTS: dict[str, Callable[[torch.device, Settings], Iterator[Row]]] = {
    "forward": rates_and_forward,
    "steps": steps,
    "recipe": recipe,
    "images": images,
    "paper": paper,
    "operations": longest_operations,
    "measured": measured_step,
    "compiled": compiled_step,
}


def widths(settings: Settings) -> tuple[int, ...]:
    """Return the channels of the paper's network, or of a tiny one."""
    return tuple((2 if settings.quick else 64) * 2**level for level in range(5))


def inference(network: nn.Module, image: Tensor) -> Callable[[], Tensor]:
    """Return a call that computes an image as the bundle does."""
    inferer = AutocastInferer(OverlapTileInferer())

    def compute() -> Tensor:
        with torch.inference_mode():
            return inferer(image, network)

    return compute


def forward(device: torch.device, channels: tuple[int, ...], side: int, operations: float, traffic: float) -> Row:
    """Return the time of an image over its floor."""
    network = fold_batch_norm(network_with_statistics(channels)).to(device, memory_format=torch.channels_last)
    image = torch.rand(1, 1, side, side, device=device)
    compute = inference(network, image)
    result = compute()
    assert tuple(result.shape) == (1, 2, side, side)
    assert result.isfinite().all()
    # operations are counted by an inferer of its own: a CUDA graph that it replays has none that can be seen
    floor = max(count_operations(inference(network, image)) / operations, bytes_moved(network, image) / traffic)
    seconds = seconds_a_call(compute, device)
    return Row(
        NAME,
        f"{side}² image over its floor of {1000 * floor:.3g} ms",
        seconds / floor,
        relation="<=",
        bound=4,
        seen=f"{1000 * seconds:.3g} ms",
    )


def training_step(
    device: torch.device, channels: tuple[int, ...], tile: int, batch: int, compiled: bool = False
) -> Callable[[], None]:
    """Return a call that makes one step of ``paper.json`` on random pixels that lie on the device."""
    network: nn.Module = UNet(channels=channels).to(device, memory_format=torch.channels_last)
    output = network.output_size(tile)  # type: ignore[operator]
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.99)  # noise is not to be learned
    if compiled:
        network.compile()
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


def matrix_rate(device: torch.device, size: int) -> float:
    """Return the operations a second of a square matrix product in bfloat16."""
    left, right = (torch.rand(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / seconds_a_call(lambda: left @ right, device)


def copy_rate(device: torch.device, size: int) -> float:
    """Return the bytes a second that a copy reads and writes."""
    source = torch.rand(size, size, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_a_call(lambda: target.copy_(source), device)


def bytes_moved(network: nn.Module, image: Tensor) -> int:
    """Return the bytes of each convolution's input, weights and output for an image, in bfloat16."""
    values = 0

    def count(layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal values
        values += given[0].numel() + result.numel() + layer.weight.numel()  # type: ignore[operator,union-attr]

    hooks = [
        part.register_forward_hook(count)
        for part in network.modules()
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)
    ]
    inference(network, image)()
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
