"""Lay out the charts of a report: curves from TensorBoard's event files, and the histogram of the Jaccard indices."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

WIDTH, HEIGHT = 440, 170  # of a chart, in CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 24
TICKS = 4  # about as many steps on an axis
BINS = 10  # of the histogram


class Curve(NamedTuple):
    """The values of a measure by epoch, and the time (seconds since 1970) at which each was logged."""

    name: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    times: tuple[float, ...]

    @property
    def best(self) -> int:
        """Index of the best value: the lowest of a loss, the highest of a score."""
        best = min if "loss" in self.name else max
        return self.values.index(best(self.values))


class Tick(NamedTuple):
    """A mark on an axis: its position, in CSS pixels, and its text."""

    place: float
    text: str


class Chart(NamedTuple):
    """A curve and its axes, in CSS pixels from the upper left corner of the chart."""

    curve: Curve
    points: tuple[tuple[float, float], ...]
    across: tuple[Tick, ...]
    upwards: tuple[Tick, ...]


def read_curves(folder: str | os.PathLike) -> list[Curve]:
    """Read what a training logs once an epoch: its mean loss, and the measures of validation.

    If a training was resumed or repeated in the same folder, the newest value of an epoch counts, and values that the
    older run logged for later epochs are dropped. Values that are not finite are left out.

    Parameters
    ----------
    folder : path
        Holds ``events.out.tfevents…`` files, complete or cut off. If it holds none, the list is empty.
    """
    if not Path(folder).is_dir():
        return []
    logging.getLogger("tensorboard").setLevel(logging.WARNING)  # it logs every file that it opens
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
    """Lay out a curve in a chart of WIDTH × HEIGHT CSS pixels; both axes start at 0."""
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
    if highest < 1e-6:  # all values are 0
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * TICKS >= highest)
    return [round(number * step, 10) for number in range(math.ceil(highest / step - 1e-9) + 1)]


class Bar(NamedTuple):
    """The number of cells with a Jaccard index above ``low`` and up to ``high``; in the first bar both are 0."""

    low: float
    high: float
    cells: int


def jaccard_histogram(jaccards: Sequence[float]) -> list[Bar]:
    """Count Jaccard indices, 0 … 1: first those that are 0 (cells not found), then the others in ten bars of 0.1.

    Examples
    --------
    >>> [bar.cells for bar in jaccard_histogram([0, 0.1, 0.15, 0.2, 1])]
    [1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    """
    edges = [number / BINS for number in range(BINS + 1)]
    # bars include their upper edge, those of numpy.histogram their lower one
    counts = np.bincount(np.searchsorted(edges, jaccards), minlength=BINS + 1).tolist()
    return [Bar(*bar) for bar in zip([0.0, *edges[:-1]], edges, counts, strict=True)]
