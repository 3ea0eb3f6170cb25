"""Print the scores of a result as a table, and write them as scores.json, objects.csv and frames.csv."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unetpipe.io.derived import SCORES, note_derived, remove_derived
from unetpipe.io.tables import format_table, write_csv, write_json
from unetpipe.metrics.detection import DetectionScore
from unetpipe.metrics.divisions import TOLERANCE
from unetpipe.metrics.isbi2012 import ThresholdScores
from unetpipe.metrics.pixels import TOLERANCES, BorderScore
from unetpipe.metrics.summary import FrameScore, Summary

OBJECT_COLUMNS = ("sequence", "frame", "id", "jaccard", "result_id")
FRAME_COLUMNS = (
    *("sequence", "frame", "cells", "missed", "invented", "merging"),
    *("SEG", "IoU", "Dice", "precision", "recall", "F1", "mean_precision"),
)


def print_summary(summary: Summary, tracks: str = "needs tracks: res_track.txt, by unetpipe link") -> None:
    """Print the measures of cells with the numbers of frames, cells and mistakes behind them.

    Parameters
    ----------
    summary : Summary
        The measures.
    tracks : str
        Why there is no TRA, where there is DET.

    Notes
    -----
    Measures that are missing for the same reason share a line below the table.
    """
    errors, found = summary.errors, summary.detection
    missing = {  # why a measure is not there
        name: "needs SEG/man_segNNN.tif in the truth"
        for name in ("SEG", "IoU", "Dice", "precision", "recall", "F1", "mean_precision")
    }
    missing |= dict.fromkeys(
        ("DET", "TRA", "division_F1"), "needs TRA/man_trackNNN.tif in the truth" if errors is None else tracks
    )
    if summary.tra is not None:
        missing["division_F1"] = "no cell divides"
    frames = f"{summary.frames} frame{'s' if summary.frames != 1 else ''}"
    remarks = {
        "SEG": f"{summary.objects} cells in {frames}",
        "IoU": f"pixels of {frames}, cell or background",
        "F1": "at IoU above 0.5",
        "mean_precision": "over IoU 0.50–0.95, mean of the frames",
    }
    if errors is not None:
        remarks["DET"] = f"{errors.fn} missed, {errors.fp} invented, {errors.ns} to split"
    if summary.divisions is not None:
        remarks["division_F1"] = f"{_counts(summary.divisions)}; within {TOLERANCE} frame"
    if found is not None:
        remarks["precision"] = _counts(found)
    rows: list[tuple[str, float | None, str]] = []
    absent = defaultdict(list)
    for name, value in summary.scores().items():
        if value is None:
            absent[missing[name]].append(name)
        else:
            rows.append((name, value, remarks.get(name, "")))
    lines = [format_table(rows)] if rows else []
    lines += [f"No {', '.join(names)}: {reason}" for reason, names in absent.items()]
    print("\n".join(lines), flush=True)


def _counts(found: DetectionScore) -> str:
    """Say what was found, invented and missed."""
    return f"{found.tp} found, {found.fp} invented, {found.fn} missed"


def print_membranes(membranes: Mapping[str, ThresholdScores]) -> None:
    """Print the measures of ISBI 2012, each with its best threshold."""
    better = {True: "higher is better", False: "lower is better"}
    rows = [
        (name, score.best, f"at threshold {score.best_threshold:.1f}, {better[score.higher_is_better]}")
        for name, score in membranes.items()
    ]
    print(format_table(rows), flush=True)


def print_borders(borders: Mapping[str, BorderScore]) -> None:
    """Print the measures of the borders between cells."""
    remark = "within {:g} px; precision {:.3f}, recall {:.3f}".format
    rows = [
        (name, score.dice, remark(TOLERANCES[name], score.precision, score.recall)) for name, score in borders.items()
    ]
    print(format_table(rows), flush=True)


def write_scores(
    folder: Path,
    frames: Sequence[FrameScore] = (),
    summary: Summary | None = None,
    membranes: Mapping[str, ThresholdScores] | None = None,
    borders: Mapping[str, BorderScore] | None = None,
) -> None:
    """Write scores.json, objects.csv (a line for each true cell) and frames.csv (a line for each image).

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    frames : sequence of FrameScore
        The scores of the frames.
    summary : Summary, optional
        Their sum. Without it there are no measures of cells, and no objects.csv is written.
    membranes : mapping of str to ThresholdScores, optional
        The ISBI 2012 measures of a stack; the frames, if any, are its slices. frames.csv has each measure at the
        threshold that is best for the stack.
    borders : mapping of str to BorderScore, optional
        The measures of the borders between cells that fill a field.

    Notes
    -----
    The columns "cells", "missed", "invented" and "merging" of frames.csv are counted with the markers of the tracking
    truth where there are any, as DET is, and else with the segmentation truth.
    """
    remove_derived(folder, SCORES)  # an earlier result of another kind had other tables
    scores: dict[str, Any] = {}
    header: list[str] = ["frame"]
    rows: list[tuple[Any, ...]] = []
    if summary is not None:
        scores |= {**summary.scores(), "errors": None if summary.errors is None else asdict(summary.errors)}
        header, rows = [*FRAME_COLUMNS], [_frame_row(frame) for frame in frames]
        write_csv(folder / "objects.csv", OBJECT_COLUMNS, _object_rows(frames))
    if membranes is not None:
        scores |= {name: {"value": score.best, "threshold": score.best_threshold} for name, score in membranes.items()}
        header += membranes
        values = zip(*(score.per_slice[score.best_index].tolist() for score in membranes.values()), strict=True)
        slices = rows or ((number,) for number in itertools.count())
        rows = [(*row, *value) for row, value in zip(slices, values, strict=bool(rows))]
    scores |= {name: score.dice for name, score in (borders or {}).items()}
    write_csv(folder / "frames.csv", header, rows)
    write_json(folder / "scores.json", scores)
    names = ("objects.csv", "frames.csv", "scores.json")[0 if summary is not None else 1 :]
    note_derived(folder, SCORES, [folder / name for name in names])


def _object_rows(frames: Sequence[FrameScore]) -> list[tuple[Any, ...]]:
    return [
        (score.sequence, score.frame, cell.id, cell.jaccard, cell.result_id)
        for score in frames
        if score.segmentation is not None
        for cell in score.segmentation.objects
    ]


def _frame_row(score: FrameScore) -> tuple[Any, ...]:
    segmentation = score.segmentation
    match = score.markers or (segmentation.match if segmentation else None)
    row: list[Any] = [score.sequence, score.frame]
    row += (len(match.reference), len(match.missed), len(match.spurious), len(match.merging)) if match else [None] * 4
    if segmentation is None:
        return (*row, *[None] * 7)
    jaccards = [cell.jaccard for cell in segmentation.objects]
    pixels, found = segmentation.pixels, segmentation.detection
    row.append(sum(jaccards) / len(jaccards) if jaccards else None)
    return (*row, pixels.iou, pixels.dice, found.precision, found.recall, found.f1, segmentation.mean_precision)
