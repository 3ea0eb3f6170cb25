"""Planning a large image: blocks that fit into memory, and the time that they take."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import NamedTuple

import psutil

from unetpipe.errors import InputError
from unetpipe.large.blocks import Block, Grid
from unetpipe.large.images import LazyImage
from unetpipe.large.network import probability
from unetpipe.large.statistics import moments
from unetpipe.large.work import Statistics, Work
from unetpipe.memory import network_bytes, return_freed_memory
from unetpipe.predictor import Predictor

LARGEST_BLOCK = 1024  # px; larger ones save little of the margin that neighbours compute too (of 92 pixels)
PARTS = (64, 48, 32, 24, 16, 12, 8, 6, 4)  # sixty-fourths of it that are tried
BLOCK_BYTES = 48  # bytes a pixel: probability, mask, labels, distances of the steps after the network
FLOOD_BYTES = 80  # bytes a pixel of a region that is flooded (watershed): cut between markers, or a whole page
LIBRARIES = 64 * 2**20  # bytes that libraries take once they are first used
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Budget(NamedTuple):
    """What fits into the memory granted.

    ``side`` is that of the blocks and ``tile`` that of the network's input, in pixels. ``total`` is the estimated
    peak of all processes in bytes. ``largest_cut`` is the number of pixels that may be cut between markers in one
    piece. ``threads`` is the number of blocks that this process computes at a time.
    """

    side: int
    tile: int
    total: int
    largest_cut: int
    threads: int = 1


def parse_bytes(text: str) -> int:
    """Return the bytes that "3G", "1.5 GiB" or "800MB" stand for (units of 1024)."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if match is None or float(match.group(1)) <= 0:
        raise InputError(f"{text!r} is not an amount of memory; write it as 3G or 800M.")
    return int(float(match.group(1)) * UNITS[match.group(2).upper()])


def used_memory() -> int:
    """Return the bytes that this process holds without an image: Python, PyTorch, the model, libraries to load."""
    return_freed_memory()  # of the image before
    return psutil.Process().memory_info().rss + LIBRARIES


def plan_blocks(
    predictor: Predictor,
    image: LazyImage,
    granted: int,
    workers: int = 0,
    side: int | None = None,
    threads: int = 1,
) -> Budget:
    """Choose the largest blocks that keep the memory within what is granted.

    Parameters
    ----------
    predictor : Predictor
        The model; its network is a UNet.
    image : LazyImage
        What is segmented.
    granted : int
        Bytes, for all processes together.
    workers : int
        Number of other processes that compute; 0 computes in this one.
    side : int, optional
        Side of the blocks in pixels, a multiple of the network's step; by default it is chosen.
    threads : int
        Most blocks that this process may compute at a time. It is fewer where these would need smaller blocks.

    Raises
    ------
    InputError
        If the smallest blocks, or a page that has to be flooded as a whole, take more than that.
    """
    base = used_memory()
    step = predictor.network.step
    candidates = [part * LARGEST_BLOCK // 64 for part in PARTS] if side is None else [side]
    candidates = [max(candidate // step, 1) * step for candidate in candidates]
    held = base + workers * base
    page = page_bytes(predictor, image)
    most = max(block_bytes(predictor, image, candidates[0]), page, 1)
    threads = min(max((granted - held) // most, 1), threads)
    at_a_time = max(workers, threads)
    flood = min(at_a_time, image.pages) * page
    if flood and held + flood > granted:
        raise InputError(
            f"{image.path} has {image.size[0]} × {image.size[1]} pixels, which a model with merge_threshold floods "
            f"as a whole: about {gib(held + flood)}, more than the {gib(granted)} granted; grant more by --memory, cut "
            "the image into parts, or use a model without merge_threshold."
        )
    for candidate in candidates:
        need = held + max(at_a_time * block_bytes(predictor, image, candidate), flood)
        if need <= granted or side is not None:
            break
    else:
        raise InputError(
            f"Segmenting {image.path} in the smallest tiles takes about {gib(need)}, more than the {gib(granted)} "
            "granted; grant more by --memory" + (", or use fewer workers." if workers > 1 else ".")
        )
    free = (granted - held) // at_a_time
    tile = predictor.network.input_size(candidate)
    return Budget(candidate, tile, need, max(free // FLOOD_BYTES, (2 * candidate) ** 2), threads)


def block_bytes(predictor: Predictor, image: LazyImage, side: int) -> int:
    """Estimate the bytes that a process takes at most to compute a block, beyond what it holds anyway."""
    tile = predictor.network.input_size(side) ** 2
    on_gpu = predictor.device.type == "cuda"
    network = 0 if on_gpu else network_bytes(predictor.network, tile)
    reading = 16 * predictor.channels * tile + 2 * image.native_bytes()
    cutting = FLOOD_BYTES * (2 * side) ** 2 if predictor.settings.cuts else 0
    return int(1.1 * max(network + reading, BLOCK_BYTES * side**2, cutting))


def page_bytes(predictor: Predictor, image: LazyImage) -> int:
    """Estimate the bytes that it takes to flood a page as a whole; 0 if cells are found block by block."""
    return FLOOD_BYTES * image.size[0] * image.size[1] if predictor.settings.floods else 0


def gib(count: float) -> str:
    """Write an amount of memory in a fitting unit."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.0f} MiB"


SAMPLE = 256  # px; the trial is normalised by a part of the block of this size


def seconds_a_block(work: Work) -> float:
    """Time a block in the middle of the image, from reading it to its instances: the second of two trials.

    The block is normalised by its own grey values. Nothing is written.
    """
    block = _middle(work.grid)
    region = work.grid.region(block)
    rows, columns = (slice(side.start, min(side.stop, side.start + SAMPLE)) for side in (region.rows, region.columns))
    sample = moments(work.image.read(0, rows, columns))
    deviation = tuple(float(value) or 1.0 for value in sample.deviation)
    trial = replace(work, statistics=Statistics(tuple(sample.mean.tolist()), deviation))
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        work.settings.instances(probability(trial, block))
        seconds = time.perf_counter() - start
    return seconds


def estimated_seconds(work: Work, seconds: float, workers: int) -> float:
    """Estimate the seconds for all blocks from those for the block in the middle, with that many workers."""
    grid = work.grid
    return seconds * grid.pages * grid.height * grid.width / grid.region(_middle(grid)).area / max(workers, 1)


def _middle(grid: Grid) -> Block:
    """Return a block in the middle of the first page; it is as large as any."""
    return Block(0, (grid.rows - 1) // 2, (grid.columns - 1) // 2)


def say_time(seconds: float) -> str:
    """Write a time in a fitting unit."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
