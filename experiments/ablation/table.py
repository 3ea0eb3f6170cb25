"""Build the table: mean and spread of each row over the seeds, and its difference from the full recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.ablation.variants import Row
from unetpipe.files import write_text
from unetpipe.io.tables import write_csv

MISTAKES = ("merged", "split", "missed", "invented")
COLUMNS = ("threshold", "marker_threshold", "SEG", "IoU", "F1", "cells", *MISTAKES)
HEADER = (
    *("", "SEG", "SEG − full", "IoU", *(f"{kind} per 100" for kind in MISTAKES)),
    *("SEG at 0.5", "merged per 100 at 0.5", "seeds"),
)


class Table:
    """Scores by row and seed.

    Parameters
    ----------
    dataset : str
        Its name.
    rows : sequence of Row
        In the table's order, ``full`` first.
    """

    def __init__(self, dataset: str, rows: Sequence[Row]) -> None:
        self.dataset = dataset
        self.rows = [*rows]
        self.scores: dict[str, dict[int, dict[str, Any]]] = {row.name: {} for row in rows}

    def add(self, row: Row, seed: int, scores: dict[str, Any]) -> None:
        """Add the scores of a row and seed, as :func:`experiments.ablation.scoring.score_bundle` returns them."""
        self.scores[row.name][seed] = scores

    def values(self, row: Row, measure: str, thresholds: str = "chosen") -> list[float]:
        """Return a measure of each seed; mistakes per 100 cells."""
        scores = [entry[thresholds] for _, entry in sorted(self.scores[row.name].items())]
        return [100 * entry[measure] / entry["cells"] if measure in MISTAKES else entry[measure] for entry in scores]

    def differences(self, row: Row, measure: str = "SEG") -> list[float]:
        """Return the difference of a measure from that of the full recipe, for each seed."""
        own, full = self.scores[row.name], self.scores["full"]
        return [own[seed]["chosen"][measure] - full[seed]["chosen"][measure] for seed in sorted(own) if seed in full]

    def markdown(self) -> str:
        """Return the table: mean (least … most) over the seeds."""
        lines = [HEADER, ("---",) * len(HEADER)]
        for row in self.rows:
            if not self.scores[row.name]:
                continue
            difference = "" if row.name == "full" else spread(self.differences(row), "{:+.3f}".format)
            lines.append(
                (
                    row.title,
                    spread(self.values(row, "SEG"), "{:.3f}".format),
                    difference,
                    spread(self.values(row, "IoU"), "{:.3f}".format),
                    *(spread(self.values(row, kind), "{:.1f}".format) for kind in MISTAKES),
                    spread(self.values(row, "SEG", "plain"), "{:.3f}".format),
                    spread(self.values(row, "merged", "plain"), "{:.1f}".format),
                    str(len(self.scores[row.name])),
                )
            )
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Return "mean (least … most)"; the value itself if there is but one."""
    if not values:
        return ""
    mean = show(sum(values) / len(values))
    return mean if len(values) == 1 else f"{mean} ({show(min(values))} … {show(max(values))})"


def write_table(folder: Path, table: Table) -> None:
    """Write ``ablation.md``, and ``ablation.csv`` with a line for each row, seed and choice of thresholds."""
    write_text(folder / "ablation.md", table.markdown())
    lines = [
        (row.name, seed, name, *(scores[name][column] for column in COLUMNS))
        for row in table.rows
        for seed, scores in sorted(table.scores[row.name].items())
        for name in scores
    ]
    write_csv(folder / "ablation.csv", ("row", "seed", "thresholds", *COLUMNS), lines)
