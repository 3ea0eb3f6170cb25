"""Settings of the step from probability to cells among which validation frames decide."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TypedDict


class Thresholds(TypedDict):
    """Settings of :func:`unetpipe.instances.instances_from_probability` that are chosen on validation frames."""

    threshold: float
    marker_threshold: float | None
    merge_threshold: float | None


def threshold_choices(
    thresholds: Iterable[float], marker_thresholds: Iterable[float] = (), merge_thresholds: Iterable[float] = ()
) -> list[Thresholds]:
    """Return every threshold with every marker threshold above it, and those with every merge threshold.

    A threshold with no marker threshold above it stands alone.

    Examples
    --------
    >>> [tuple(choice.values()) for choice in threshold_choices([0.9, 0.5], [0.7, 0.8])]
    [(0.5, 0.7, None), (0.5, 0.8, None), (0.9, None, None)]
    """
    choices: list[Thresholds] = []
    markers = sorted(marker_thresholds)
    merges: list[float | None] = [*sorted(merge_thresholds)]
    for threshold in sorted(thresholds):
        above = [marker for marker in markers if marker > threshold]
        for marker, merge in product(above, merges or [None]) if above else [(None, None)]:
            choices.append({"threshold": threshold, "marker_threshold": marker, "merge_threshold": merge})
    return choices
