"""Training and validation curves, read from the event files that a training writes for TensorBoard."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

WIDTH, HEIGHT = 440, 170  # of a chart, in CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 24
TICKS = 4


class Curve(NamedTuple):
    """A measure by epoch, with the time (seconds since 1970) at which each value was logged."""

    name: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    times: tuple[float, ...]

    @property
    def best(self) -> int:
        """Place of the best value: the lowest of a loss, the highest of a score."""
        best = min if "loss" in self.name else max
        return self.values.index(best(self.values))


class Tick(NamedTuple):
    """A mark on an axis: where, in CSS pixels, and what it says."""

    place: float
    text: str


class Chart(NamedTuple):
    """A curve laid out: places in CSS pixels from the chart's upper left corner."""

    curve: Curve
    points: tuple[tuple[float, float], ...]
    across: tuple[Tick, ...]
    upwards: tuple[Tick, ...]


def read_curves(folder: str | os.PathLike) -> list[Curve]:
    """Read what a training logs once an epoch: its mean loss, and what validation measured.

    Where a training was taken up again, or begun anew in the same folder, the newest values count, and none
    that an older run logged for later epochs. What is not finite is left out.

    Parameters
    ----------
    folder : path
        Holds ``events.out.tfevents…`` files, complete or cut off; without any there are no curves.
    """
    if not Path(folder).is_dir():
        return []
    logging.getLogger("tensorboard").setLevel(logging.WARNING)  # it tells of every file that it opens
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    curves = []
    for name in sorted(events.Tags()["scalars"]):
        if name != "train_loss" and not name.startswith("val"):
            continue
        kept: list[tuple[int, float, float]] = []
        for event in sorted(events.Scalars(name), key=lambda event: event.wall_time):
            while kept and kept[-1][0] >= event.step:
                kept.pop()
            kept.append((event.step, event.value, event.wall_time))
        kept = [row for row in kept if math.isfinite(row[1])]
        if kept:
            curves.append(Curve(name, *zip(*kept, strict=True)))
    return curves


def lay_out(curve: Curve) -> Chart:
    """Place a curve in a chart of WIDTH × HEIGHT CSS pixels; losses and scores start at 0."""
    across, upwards = _round_ticks(curve.epochs[-1]), _round_ticks(max(curve.values))
    last, top = max(curve.epochs[-1], 1), max(upwards[-1], max(curve.values))

    def place_x(epoch: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * epoch / last, 1)

    def place_y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(value, 0) / top, 1)

    return Chart(
        curve,
        tuple((place_x(epoch), place_y(value)) for epoch, value in zip(curve.epochs, curve.values, strict=True)),
        tuple(Tick(place_x(tick), f"{tick:g}") for tick in across if tick == int(tick)),
        tuple(Tick(place_y(tick), f"{tick:g}") for tick in upwards),
    )


def _round_ticks(highest: float) -> list[float]:
    """Return about TICKS round numbers from 0 to the first at or above ``highest``."""
    if highest < 1e-6:  # nothing to be seen: a loss or score of 0
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * TICKS >= highest)
    return [round(number * step, 10) for number in range(math.ceil(highest / step - 1e-9) + 1)]


BINS = 10


class Bar(NamedTuple):
    """Cells with a Jaccard index above ``low`` and at most ``high``; the first bar, 0 to 0, counts those not found."""

    low: float
    high: float
    cells: int


def jaccard_histogram(jaccards: Sequence[float]) -> list[Bar]:
    """Count Jaccard indices, 0 … 1, in ten bars of 0.1, after one of those that are exactly 0: cells not found."""
    edges = [number / BINS for number in range(BINS + 1)]
    bars = [Bar(0.0, 0.0, sum(value <= 0 for value in jaccards))]
    for low, high in pairwise(edges):
        bars.append(Bar(low, high, sum(low < value <= high for value in jaccards)))
    return bars
