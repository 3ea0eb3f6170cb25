"""How the cells' Jaccard indices are spread: counts for a bar chart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

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
