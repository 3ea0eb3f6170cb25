"""``unetpipe evaluate``: any tool's result against the truth, by the challenges' own measures."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from unetpipe.data.io import count_pages, read_image
from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.metrics.ctc import CTCScore, score_result
from unetpipe.metrics.isbi2012 import isbi2012_scores
from unetpipe.report.tables import format_table, write_csv, write_json


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("evaluate", help="score a result as the Cell Tracking Challenge or ISBI 2012 do")
    parser.add_argument("result", type=Path, help="folder of maskNNN.tif, or a stack of membrane-or-cell probabilities")
    parser.add_argument("truth", type=Path, help="folder NN_GT, or a stack of labels (0 membrane, 255 cell)")
    parser.add_argument("--output", type=Path, help="folder for scores.json and tables of objects and frames (CSV)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Score, print the table, write the files."""
    if options.output is not None:
        check_folder(options.output)
    if options.truth.is_file():
        evaluate_isbi2012(options.result, options.truth, options.output)
    else:
        evaluate_ctc(options.result, options.truth, options.output)
    if options.output is not None:
        print(f"Tables: {options.output}")


def evaluate_ctc(result: Path, truth: Path, output: Path | None) -> None:
    """Print SEG, DET and TRA of a result folder; write scores.json, objects.csv and frames.csv."""
    score = score_result(result, truth)
    segmented = len({cell.frame for cell in score.objects})
    print(
        format_table(
            [
                ("SEG", score.seg, f"{len(score.objects)} cells in {segmented} frames"),
                ("DET", score.det, _errors(score)),
                ("TRA", score.tra, "" if score.tra is not None else "needs res_track.txt in the result"),
            ]
        )
    )
    if output is None:
        return
    write_json(
        output / "scores.json",
        {
            "SEG": score.seg,
            "DET": score.det,
            "TRA": score.tra,
            "errors": None if score.errors is None else asdict(score.errors),
        },
    )
    write_csv(
        output / "objects.csv",
        ["frame", "id", "jaccard", "result_id"],
        [(cell.frame, cell.id, float(cell.jaccard), cell.result_id) for cell in score.objects],
    )
    write_csv(
        output / "frames.csv",
        ["frame", "cells", "missed", "invented", "merging"],
        [
            (frame, len(match.reference), len(match.missed), len(match.spurious), len(match.merging))
            for frame, match in sorted(score.frames.items())
        ],
    )


def evaluate_isbi2012(result: Path, truth: Path, output: Path | None) -> None:
    """Print the ISBI 2012 measures of a stack of probabilities; write scores.json."""
    labels, probability = _read_stack(truth), _read_stack(result)
    if labels.shape != probability.shape:
        raise InputError(f"{result} is {probability.shape} (slices, height, width), {truth} is {labels.shape}.")
    if probability.dtype.kind in "ui":
        probability = (probability / np.float32(np.iinfo(probability.dtype).max)).astype(np.float32)
    if probability.min() < 0 or probability.max() > 1:
        raise InputError(f"{result} holds values outside 0 … 1; give the probability of cell, or 8 or 16 bits of it.")
    scores = isbi2012_scores(labels, probability)
    print(
        format_table(
            [
                (name, score.best, f"at threshold {score.best_threshold:.1f}, {_direction(score.higher_is_better)}")
                for name, score in scores.items()
            ]
        )
    )
    if output is None:
        return
    table = {name: {"value": score.best, "threshold": score.best_threshold} for name, score in scores.items()}
    write_json(output / "scores.json", table)


def _direction(higher_is_better: bool) -> str:
    return "higher is better" if higher_is_better else "lower is better"


def _errors(score: CTCScore) -> str:
    if score.errors is None:
        return "needs TRA/man_trackNNN.tif in the truth"
    return f"{score.errors.fn} missed, {score.errors.fp} invented, {score.errors.ns} to split"


def _read_stack(path: Path) -> np.ndarray:
    """Read a multi-page file as (pages, H, W)."""
    if not path.is_file():
        raise InputError(f"There is no stack {path}.")
    pages = [read_image(path, page) for page in range(count_pages(path))]
    if any(page.shape != pages[0].shape or page.shape[0] != 1 for page in pages):
        raise InputError(f"The pages of {path} must have one channel and one size.")
    return np.concatenate(pages)
