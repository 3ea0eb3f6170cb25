"""Score the result of any tool against the truth, by the measures of the challenges."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.io.images import count_pages, read_image
from unetpipe.metrics.ctc import score_result
from unetpipe.metrics.isbi2012 import isbi2012_scores, proposal_of_cells
from unetpipe.report.results import report_masks, report_stack
from unetpipe.report.scores import print_membranes, print_summary, write_scores

# The highest value of numbered cells in 16 bits. If no value is above one half of the range, they are not
# probabilities: nothing would be a cell.
LARGEST_NUMBER = 32767


def evaluate(
    result: str | os.PathLike,
    truth: str | os.PathLike,
    output: str | os.PathLike | None = None,
    images: str | os.PathLike | None = None,
) -> dict[str, float | None]:
    """Score a result, print the scores as a table, and write tables and a report.

    Two folders are scored as the Cell Tracking Challenge does (SEG, DET, TRA), and two stacks as ISBI 2012 does.

    Parameters
    ----------
    result : path
        Folder of ``maskNNN.tif``, or a multi-page file of the probability of "cell" or of numbered cells.
    truth : path
        Folder ``NN_GT``, or a multi-page file of labels (0 membrane, 255 cell).
    output : path, optional
        Folder for ``report.html``, ``scores.json``, ``objects.csv`` and ``frames.csv``.
    images : path, optional
        The images that the report shows: a folder of ``tNNN.tif``, or a stack. By default the folder ``NN`` beside
        the truth is shown; without one, outlines on black, and of a stack the probabilities.

    Returns
    -------
    dict of str to float or None
        The measures by name, such as ``"SEG"``; None where the truth or the result lacks what a measure needs.

    Raises
    ------
    InputError
        If a file is missing or cannot be read, or result and truth do not belong together.
    """
    result, truth = Path(result), Path(truth)
    output, images = (None if path is None else Path(path) for path in (output, images))
    if output is not None:
        check_folder(output)
    for path in (result, truth):
        if not path.exists():
            raise InputError(f"There is no file or folder {path}.")
    if truth.is_file() != result.is_file():
        raise InputError(
            f"{result} and {truth} do not belong together: give two folders (maskNNN.tif and NN_GT) or "
            "two stacks (probabilities or numbered cells, and labels)."
        )
    return (_evaluate_stack if truth.is_file() else _evaluate_folder)(result, truth, output, images)


def _evaluate_folder(result: Path, truth: Path, output: Path | None, images: Path | None) -> dict[str, float | None]:
    score = score_result(result, truth)
    scores = score.summary.scores()
    print_summary(score.summary)
    if output is not None:
        report_masks(result, truth, output, scores, images)
        write_scores(output, score.scores, score.summary)
    return scores


def _evaluate_stack(result: Path, truth: Path, output: Path | None, images: Path | None) -> dict[str, float | None]:
    labels, probability = _read_stack(truth), _read_proposal(result)
    if labels.shape != probability.shape:
        raise InputError(f"{result} is {probability.shape} (slices, height, width), {truth} is {labels.shape}.")
    shown = None if images is None else _read_images(images, labels)
    membranes = isbi2012_scores(labels, probability)
    print_membranes(membranes)
    if output is not None:
        write_scores(output, membranes=membranes)
        report_stack(probability, labels, truth, output, membranes, shown)
    return {name: score.best for name, score in membranes.items()}


def _read_proposal(path: Path) -> np.ndarray:
    """Read the probability of "cell", (slices, H, W), float: 1 in numbered cells, 0 where two of them meet."""
    values = _read_stack(path)
    highest = values.max()
    if values.dtype == np.uint16 and 0 < highest <= LARGEST_NUMBER:
        print(f"{path} is read as numbered cells: its highest 16-bit value is {highest}; probabilities reach 65535.")
        return proposal_of_cells(values)
    if values.dtype in (np.bool_, np.uint8, np.uint16):
        whole = 1 if values.dtype == np.bool_ else np.iinfo(values.dtype).max
        return (values / np.float32(whole)).astype(np.float32)
    if values.dtype.kind != "f":
        raise InputError(
            f"{path} holds {values.dtype}; give the probability of cell as a number from 0 to 1 or as unsigned 8 or "
            "16 bits, or numbered cells as unsigned 16 bits."
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
