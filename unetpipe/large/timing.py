"""How long a segmentation will take, from one block of the image itself."""

from __future__ import annotations

import time
from dataclasses import replace

from unetpipe.large.blocks import Block, Grid
from unetpipe.large.network import probability
from unetpipe.large.statistics import moments
from unetpipe.large.work import Work

SAMPLE = 256  # px; mean and deviation for the trial come from the middle of the block


def seconds_a_block(work: Work) -> float:
    """Time a block in the middle of the image, from reading it to its instances: the second of two trials.

    It is normalised by its own grey values, and nothing is written.
    """
    block = _middle(work.grid)
    region = work.grid.region(block)
    rows, columns = (slice(side.start, min(side.stop, side.start + SAMPLE)) for side in (region.rows, region.columns))
    sample = moments(work.image.read(0, rows, columns))
    deviation = tuple(float(value) or 1.0 for value in sample.deviation)
    trial = replace(work, statistics=(tuple(sample.mean.tolist()), deviation))
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        work.rules.instances(probability(trial, block))
        seconds = time.perf_counter() - start
    return seconds


def estimated_seconds(work: Work, seconds: float, workers: int) -> float:
    """Return the seconds that all blocks take, from those of the one in the middle, in so many processes."""
    grid = work.grid
    return seconds * grid.pages * grid.height * grid.width / grid.region(_middle(grid)).area / max(workers, 1)


def _middle(grid: Grid) -> Block:
    """Return a block in the middle of the first page; it is as large as any."""
    return Block(0, (grid.rows - 1) // 2, (grid.columns - 1) // 2)


def say_time(seconds: float) -> str:
    """Say a time in the unit that fits it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
