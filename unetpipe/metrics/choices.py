"""Settings of the step from probability to cells among which validation frames decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict


class Thresholds(TypedDict):
    """Settings of :func:`unetpipe.instances.instances_from_probability` that are chosen on validation frames."""

    threshold: float
    marker_threshold: float | None


def threshold_choices(thresholds: Iterable[float], marker_thresholds: Iterable[float] = ()) -> list[Thresholds]:
    """Return every threshold with every marker threshold above it, or with none where none is above it.

    Examples
    --------
    >>> [tuple(choice.values()) for choice in threshold_choices([0.9, 0.5], [0.7, 0.8])]
    [(0.5, 0.7), (0.5, 0.8), (0.9, None)]
    """
    choices: list[Thresholds] = []
    markers = sorted(marker_thresholds)
    for threshold in sorted(thresholds):
        above: list[float | None] = [marker for marker in markers if marker > threshold]
        choices += [{"threshold": threshold, "marker_threshold": marker} for marker in above or [None]]
    return choices
