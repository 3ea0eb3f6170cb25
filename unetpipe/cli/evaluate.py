"""``unetpipe evaluate``: score the result of any tool against the truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "result", metavar="RESULT", type=Path, help="folder of masks, or a file of probabilities or of numbered cells"
    )
    parser.add_argument("truth", metavar="TRUTH", type=Path, help="folder NN_GT, a data set, or a file of labels")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="folder for report.html, scores.json and CSV tables (default: none)"
    )
    parser.add_argument(
        "--images",
        metavar="PATH",
        type=Path,
        help="images of the report: folder of tNNN.tif, or a stack (default: the folder next to TRUTH)",
    )
    parser.add_argument(
        "--frames",
        metavar="FRAMES",
        help='score only these frames, such as "0-27" or "0-27,35" (default: all; without TRA)',
    )


def run(options: argparse.Namespace) -> None:
    """Score, print the table, write the files."""
    if options.images is not None and options.output is None:
        raise InputError("--images is for the report, which needs --output.")
    from unetpipe.evaluation import evaluate

    evaluate(options.result, options.truth, options.output, options.images, options.frames)
    if options.output is not None:
        print(f"Tables: {options.output}")
