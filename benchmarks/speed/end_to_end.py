"""Time the way from image file to mask file by ``inference.json``, relative to the time of the network."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from benchmarks.speed.pictures import picture
from benchmarks.speed.segmenting import warm_evaluator
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row, Times, timed
from unetpipe.io import read_labels

NAME = "end_to_end"
BOUND = 1.25


def run(settings: Settings) -> list[Row]:
    """Segment eight images of 512² and one of 4096² with the model of width 32 that comes with the bundle.

    It always runs on one thread, because CPU seconds of the network can only be measured in its own thread.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _rows(settings)
    finally:
        torch.set_num_threads(threads)


def _rows(settings: Settings) -> list[Row]:
    name, image = picture()
    with tempfile.TemporaryDirectory() as folder:
        sizes = ((1, 8), (8, 1)) if not settings.quick else ((1, 2),)
        return [_measure(Path(folder), name, image, copies, count, settings.repeats) for copies, count in sizes]


def _measure(folder: Path, name: str, image: np.ndarray, copies: int, count: int, repeats: int) -> Row:
    """Return the row of ``count`` images, each ``copies`` × ``copies`` copies of one."""
    images = folder / f"images{copies}"
    images.mkdir()
    for number in range(count):
        Image.fromarray(np.tile(np.roll(image, 37 * number, axis=1), (copies, copies))).save(images / f"{number}.tif")
    whole, alone = [], []
    for number in range(repeats):
        output = folder / f"masks{copies}_{number}"
        evaluator = warm_evaluator(images, output, torch.device("cpu"))
        network = _Watch(evaluator.inferer.folded)
        whole.append(timed(evaluator.run))
        network.remove()
        alone.append((network.cpu, network.wall))
        masks = [read_labels(path) for path in sorted(output.glob("*.tif"))]
        assert len(masks) == count
        assert all(mask.max() > 0 for mask in masks)
    times = {"file to file": Times(*zip(*whole, strict=True)), "network": Times(*zip(*alone, strict=True))}
    walls = [one / other for one, other in zip(*(side.wall for side in times.values()), strict=True)]
    side = image.shape[0] * copies
    return Row(
        NAME,
        f"{count} × {side}², width 32, {name}: time from file to mask file over that of the network only",
        times["file to file"].median / times["network"].median,
        relation="<=",
        bound=BOUND,
        seconds=times,
        seen=f"on the clock {min(walls):.2f}–{max(walls):.2f}",
    )


class _Watch:
    """Sum the time that networks of a kind take in their own thread; inference may run a copy of its network."""

    def __init__(self, network: Any) -> None:
        self.cpu = self.wall = 0.0
        self._kind = type(network)
        self._handles = [register_module_forward_pre_hook(self._begin), register_module_forward_hook(self._end)]

    def remove(self) -> None:
        """Watch no longer."""
        for handle in self._handles:
            handle.remove()

    def _begin(self, module: Any, *_: Any) -> None:
        if isinstance(module, self._kind):
            self._since = time.thread_time(), time.perf_counter()

    def _end(self, module: Any, *_: Any) -> None:
        if isinstance(module, self._kind):
            self.cpu += time.thread_time() - self._since[0]
            self.wall += time.perf_counter() - self._since[1]
