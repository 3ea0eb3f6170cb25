"""Timing in turn: the sides of a comparison alternate, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Times(NamedTuple):
    """Seconds of each round: of all the process's threads (``cpu``), and on the clock (``wall``)."""

    cpu: tuple[float, ...]
    wall: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the CPU seconds."""
        return statistics.median(self.cpu)

    @property
    def spread(self) -> float:
        """Distance between the slowest and the quickest round, as a share of the median (CPU seconds)."""
        return (max(self.cpu) - min(self.cpu)) / self.median


def timed(job: Callable[[], Any]) -> tuple[float, float]:
    """Return the CPU and wall seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    job()
    return time.process_time() - cpu, time.perf_counter() - wall


def alternate(sides: Mapping[str, Callable[[], Any]], repeats: int, warm_up: bool = True) -> dict[str, Times]:
    """Time each side once a round, for ``repeats`` rounds after one that does not count."""
    if warm_up:
        for job in sides.values():
            job()
    rounds = [{name: timed(job) for name, job in sides.items()} for _ in range(repeats)]
    return {name: Times(*zip(*(one[name] for one in rounds), strict=True)) for name in sides}


class Row(NamedTuple):
    """A line of the table: what was measured, the value, and the bound that it has to keep.

    ``value`` is compared with ``bound`` by ``relation`` (">=" or "<="); without a bound it is shown alone. ``seconds``
    holds the times behind it, by side.
    """

    benchmark: str
    what: str
    value: float
    unit: str = "×"
    relation: str = ">="
    bound: float | None = None
    seconds: dict[str, Times] | None = None
    seen: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bound is kept; None without one."""
        if self.bound is None:
            return None
        return self.value >= self.bound if self.relation == ">=" else self.value <= self.bound


def ratio(benchmark: str, what: str, times: Mapping[str, Times], slow: str, fast: str, bound: float | None) -> Row:
    """Return the row that says how many times as fast one side is: the ratio of the medians of their CPU seconds."""
    pairs = [one / other for one, other in zip(times[slow].cpu, times[fast].cpu, strict=True)]
    seen = f"{min(pairs):.3g}–{max(pairs):.3g}"
    value = times[slow].median / times[fast].median
    return Row(benchmark, what, value, bound=bound, seconds={name: times[name] for name in (slow, fast)}, seen=seen)
