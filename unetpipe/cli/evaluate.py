"""``unetpipe evaluate``: any tool's result against the truth, by the challenges' own measures."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.io.images import count_pages, read_image
from unetpipe.metrics.ctc import score_result
from unetpipe.metrics.isbi2012 import isbi2012_scores, proposal_of_cells
from unetpipe.report.results import report_masks, report_stack
from unetpipe.report.scores import print_membranes, print_summary, write_scores

# 16 bits that stay below one half are no probabilities: nothing would be a cell
LARGEST_NUMBER = 32767


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("evaluate", help="score a result as the Cell Tracking Challenge or ISBI 2012 do")
    parser.add_argument("result", type=Path, help="folder of maskNNN.tif, or a stack of probabilities or cells")
    parser.add_argument("truth", type=Path, help="folder NN_GT, or a stack of labels (0 membrane, 255 cell)")
    parser.add_argument("--output", type=Path, help="folder for report.html, scores.json and tables (CSV)")
    parser.add_argument("--images", type=Path, help="for the report: folder of tNNN.tif, or the stack of images")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Score, print the table, write the files."""
    if options.output is not None:
        check_folder(options.output)
    elif options.images is not None:
        raise InputError("--images is for the report, which needs --output.")
    for path in (options.result, options.truth):
        if not path.exists():
            raise InputError(f"There is no file or folder {path}.")
    if options.truth.is_file() != options.result.is_file():
        raise InputError(
            f"{options.result} and {options.truth} do not belong together: give two folders (maskNNN.tif and NN_GT) or "
            "two stacks (probabilities or numbered cells, and labels)."
        )
    if options.truth.is_file():
        evaluate_isbi2012(options.result, options.truth, options.output, options.images)
    else:
        evaluate_ctc(options.result, options.truth, options.output, options.images)
    if options.output is not None:
        print(f"Tables: {options.output}")


def evaluate_ctc(result: Path, truth: Path, output: Path | None, images: Path | None = None) -> None:
    """Print the measures of a result folder; write scores.json, objects.csv and frames.csv."""
    score = score_result(result, truth)
    print_summary(score.summary)
    if output is not None:
        report_masks(result, truth, output, score.summary.scores(), images)
        write_scores(output, score.scores, score.summary)


def evaluate_isbi2012(result: Path, truth: Path, output: Path | None, images: Path | None = None) -> None:
    """Print the ISBI 2012 measures of a stack of probabilities or numbered cells; write scores.json and frames.csv."""
    labels, probability = _read_stack(truth), _read_proposal(result)
    if labels.shape != probability.shape:
        raise InputError(f"{result} is {probability.shape} (slices, height, width), {truth} is {labels.shape}.")
    shown = None if images is None else _read_images(images, labels)
    membranes = isbi2012_scores(labels, probability)
    print_membranes(membranes)
    if output is not None:
        write_scores(output, membranes=membranes)
        report_stack(probability, labels, truth, output, membranes, shown)


def _read_proposal(path: Path) -> np.ndarray:
    """Read the probability of cell, (slices, H, W), float; of numbered cells it is 1, and 0 where two of them meet."""
    values = _read_stack(path)
    highest = values.max()
    if values.dtype == np.uint16 and 0 < highest <= LARGEST_NUMBER:
        print(f"{path} is taken for numbered cells: its 16-bit values end at {highest}, where 65535 would be certain.")
        return proposal_of_cells(values)
    if values.dtype in (np.bool_, np.uint8, np.uint16):
        whole = 1 if values.dtype == np.bool_ else np.iinfo(values.dtype).max
        return (values / np.float32(whole)).astype(np.float32)
    if values.dtype.kind != "f":
        raise InputError(
            f"{path} holds {values.dtype}; give the probability of cell as a number from 0 to 1 or in 8 or 16 bits "
            "without sign, or numbered cells in 16 bits."
        )
    if values.min() < 0 or highest > 1:
        raise InputError(f"{path} holds values outside 0 … 1; give the probability of cell, or 8 or 16 bits of it.")
    return values


def _read_images(path: Path, labels: np.ndarray) -> np.ndarray:
    """Read the stack that was segmented, (slices, H, W)."""
    images = _read_stack(path)
    if images.shape != labels.shape:
        raise InputError(f"{path} is {images.shape} (slices, height, width), its labels are {labels.shape}.")
    return images


def _read_stack(path: Path) -> np.ndarray:
    """Read a multi-page file as (pages, H, W)."""
    pages = [read_image(path, page) for page in range(count_pages(path))]
    if any(page.shape != pages[0].shape or page.shape[0] != 1 for page in pages):
        raise InputError(f"The pages of {path} must have one channel and one size.")
    return np.concatenate(pages)
