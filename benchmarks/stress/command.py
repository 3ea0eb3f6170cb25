"""``python -m benchmarks stress MODEL_OR_BUNDLE DATA``: the score of a model on perturbed frames."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.arguments import folder, one_sentence, positive
from benchmarks.stress.measuring import EMPTY, PLAIN, Summary, ViewScore, measure_views, summarise
from benchmarks.stress.perturbations import STRESS
from unetpipe.datasets import find_records, select
from unetpipe.errors import InputError
from unetpipe.io.tables import write_csv
from unetpipe.predictor import Predictor

LIMIT = 0.05  # what a perturbation may cost
TABLE = ("view", "measure", "score", "count", "change", "largest_over_largest_cell", "objects_in_empty_fields")
VIEWS = ("view", "frame", "measure", "score", "count", "objects", "largest", "largest_cell", "median_cell")
HELP = (
    "Score a model on the frames of a data set as they are and perturbed: shading, noise, blur, changed brightness, "
    "other fields of view, other sizes. Score only frames that did not train it. Changes are those of the same cells. "
    f"The exit status is 1 if a perturbation costs more than {LIMIT:g}."
)


def main(argv: Sequence[str]) -> int:
    """Measure, print the table, and write it with a picture; return 1 if a perturbation costs too much, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks stress", description=HELP)
    parser.add_argument("model", metavar="MODEL_OR_BUNDLE", help="a model of the installed bundle, or a trained bundle")
    parser.add_argument("data", metavar="DATA", help="a data set with truth, of any layout")
    parser.add_argument("--frames", help='only these frames, such as "0-27" (default: all with truth)')
    parser.add_argument("--sequences", nargs="+", help="only these sequences (default: all)")
    parser.add_argument("--truth", choices=("gold", "silver", "gold+silver"), default="gold+silver")
    parser.add_argument("--views", nargs="+", choices=(*STRESS, EMPTY), metavar="VIEW", help="only these perturbations")
    parser.add_argument("--rotations", type=int, help="passes to average over (default: as the model says)")
    parser.add_argument("--threads", type=positive, default=1, help="of PyTorch (default: 1)")
    parser.add_argument("--output", type=folder, help="folder for stress.csv, views.csv and stress.png")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    with one_sentence():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    asked: dict[str, Any] = {} if options.rotations is None else {"rotations": options.rotations}
    is_bundle = (Path(options.model) / "configs" / "inference.json").is_file()
    predictor = (
        Predictor.load(options.model, **asked) if is_bundle else Predictor.load(None, options.model, **asked)
    ).prepare()
    records = select(find_records(options.data, options.truth), options.sequences, options.frames)
    if not records:
        raise InputError(f"{options.data} has no truth for the frames {options.frames}; choose others by --frames.")
    views = options.views or [*STRESS, EMPTY]
    views = [PLAIN, *(view for view in views if view != PLAIN)]
    total = len(records) * len(views)
    scores = list(tqdm(measure_views(predictor, records, views), total=total, disable=None))
    rows = summarise(scores)
    title = f"{Path(options.model).name} on {Path(options.data).resolve().name}"
    print(f"{title}, {len(records)} frame(s)\n{as_text(rows)}")
    if options.output is not None:
        write(options.output, rows, scores, title)
    return 1 if any(is_lost(row) for row in rows) else 0


def is_lost(row: Summary) -> bool:
    """Return whether a perturbation costs more than it may."""
    return (row.change is not None and row.change < -LIMIT) or bool(row.in_empty_fields)


def as_text(rows: Sequence[Summary]) -> str:
    """Return the table for people; "<" marks what costs too much."""
    lines = [("", rows[0].measure, "of", "change", "largest object", "")]
    for row in rows:
        largest = "–" if row.largest is None else f"{row.largest:.2f} largest cell"
        score = "–" if row.score is None else f"{row.score:.3f}"
        change = "" if row.change is None else f"{row.change:+.3f}"
        if row.in_empty_fields is not None:
            score = f"{row.in_empty_fields} found"
        lines.append((row.view, score, str(row.count), change, largest, "<" if is_lost(row) else ""))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def write(output: Path, rows: Sequence[Summary], scores: Sequence[ViewScore], title: str) -> None:
    """Write the table of the views, the table of each frame's views, and the picture."""
    from benchmarks.stress.picture import draw

    output.mkdir(parents=True, exist_ok=True)
    blank = [["" if value is None else value for value in vars(row).values()] for row in rows]
    write_csv(output / "stress.csv", TABLE, blank)
    write_csv(
        output / "views.csv",
        VIEWS,
        (
            (
                score.view,
                score.frame,
                score.measure,
                sum(score.scores.values()) / len(score.scores) if score.scores else "",
                len(score.scores),
                score.objects,
                score.largest,
                score.largest_cell,
                score.median_cell,
            )
            for score in scores
        ),
    )
    draw(output / "stress.png", rows, title, LIMIT)
    print(f"Tables and picture: {output}")
