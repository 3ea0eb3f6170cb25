"""Draw how much of the score each perturbation costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.stress.measuring import Summary
from unetpipe.files import replacing

GOOD, BAD = "#4c78a8", "#e45756"


def draw(path: Path, rows: Sequence[Summary], title: str, limit: float) -> None:
    """Draw a bar for the score of each view, in another colour where more than ``limit`` is lost."""
    shown = [row for row in rows if row.score is not None][::-1]
    figure = Figure(figsize=(6.4, 1.5 + 0.22 * len(shown)), layout="constrained")
    axes = figure.subplots()
    lost = [row.change is not None and row.change < -limit for row in shown]
    axes.barh(
        [row.view for row in shown],
        [row.score or 0.0 for row in shown],
        color=[BAD if bad else GOOD for bad in lost],
    )
    compared = [
        (place, row.score - row.change)
        for place, row in enumerate(shown)
        if row.score is not None and row.change is not None
    ]
    if compared:
        places, scores = np.array(compared).T
        for before, style, label in (
            (scores, "-", "the same cells, unperturbed"),
            (scores - limit, ":", f"{limit:g} less"),
        ):
            axes.vlines(before, places - 0.4, places + 0.4, "0.2", style, label=label)
        figure.legend(frameon=False, loc="outside lower center", ncols=2)
    axes.set(xlim=(0, 1), xlabel=shown[0].measure if shown else "", title=title)
    axes.grid(axis="x", alpha=0.3)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=110, format="png")
