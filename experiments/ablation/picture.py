"""Draw the table: a dot for each seed, and a bar for their mean."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.ablation.table import Table
from unetpipe.files import replacing

PANELS = (
    ("SEG", "chosen", "SEG, thresholds chosen"),
    ("merged", "chosen", "merged cells per 100, thresholds chosen"),
    ("merged", "plain", "merged cells per 100, threshold 0.5"),
)


def draw(path: Path, table: Table) -> None:
    """Write the picture as SVG; the dashed line is the mean of the full recipe."""
    rows = [row for row in table.rows if table.scores[row.name]]
    # text as text, and the same file from the same figures
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ablation", "font.size": 9}):
        figure = Figure(figsize=(12, 0.7 + 0.3 * len(rows)), layout="constrained")
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, (measure, thresholds, title) in zip(panels, PANELS, strict=True):
            for place, row in enumerate(rows):
                _draw_row(axes, place, table.values(row, measure, thresholds))
            full = table.values(rows[0], measure, thresholds)
            axes.axvline(sum(full) / len(full), color="0.6", linestyle="--", linewidth=0.8, zorder=0)
            axes.set_title(title, fontsize=9)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color="0.93")
            if measure == "merged":
                axes.set_xlim(left=0)
        panels[0].set_yticks(range(len(rows)), [row.title.replace("`", "") for row in rows])
        panels[0].invert_yaxis()
        with replacing(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})


def _draw_row(axes: Axes, place: int, values: list[float]) -> None:
    mean = sum(values) / len(values)
    axes.plot([mean, mean], [place - 0.3, place + 0.3], color="C0", linewidth=2)
    axes.scatter(values, [place] * len(values), s=14, color="C1", zorder=3)
