"""Score the result of any tool against the truth, by the measures of the challenges."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unetpipe.datasets import decide_masks, find_records, parse_frames, read_truth, select
from unetpipe.datasets.ctc import read_markers
from unetpipe.datasets.images import MaskMatcher
from unetpipe.datasets.layouts import layout_of
from unetpipe.datasets.masks import check_numbered
from unetpipe.datasets.records import Record
from unetpipe.datasets.split import Frames
from unetpipe.errors import InputError
from unetpipe.files import check_folder, writing
from unetpipe.io.derived import CELLS, SCORES, derived_paths, note_derived
from unetpipe.io.formats import images_in
from unetpipe.io.images import check_same_sizes, count_pages, read_image, read_labels
from unetpipe.io.journal import left_over
from unetpipe.metrics.ctc import score_result
from unetpipe.metrics.isbi2012 import isbi2012_scores, proposal_of_cells
from unetpipe.metrics.matching import match_frame
from unetpipe.metrics.pixels import BorderScore, border_scores, sum_borders
from unetpipe.metrics.summary import FrameScore, score_segmentation, summarise
from unetpipe.report.gallery import Gallery, ScoredFrame, frame_name
from unetpipe.report.page import NAME, write_report
from unetpipe.report.results import check_report_images, report_masks, report_stack
from unetpipe.report.scores import print_borders, print_membranes, print_summary, write_scores

# The highest value of numbered cells in 16 bits. If no value is above one half of the range, they are not
# probabilities: nothing would be a cell.
LARGEST_NUMBER = 32767
# folders that evaluate.json of a bundle draws in, next to its masks; the second one is that of bundles trained earlier
PICTURES = {"outlines", "overlays"}
SHOWN = 5  # frames that a line names
OF_ALL_FRAMES = "scored only for whole sequences, without --frames"
OF_ONE_SEQUENCE = "scored only for one sequence: unetpipe evaluate 01_RES 01_GT"


def evaluate(
    result: str | os.PathLike,
    truth: str | os.PathLike,
    output: str | os.PathLike | None = None,
    images: str | os.PathLike | None = None,
    frames: Frames = None,
) -> dict[str, float | None]:
    """Score a result, print the scores as a table, and write tables and a report.

    A folder against a folder ``NN_GT`` is scored as the Cell Tracking Challenge does (SEG, DET, TRA), a stack of
    probabilities against membranes as ISBI 2012 does, and masks against a data set of any layout, or one file of
    numbered cells against another, by the measures of cells.

    Parameters
    ----------
    result : path
        Folder of ``maskNNN.tif``, or masks of the images of a data set as ``unetpipe segment`` names them, or a file of
        one or more pages of the probability of "cell" or of numbered cells.
    truth : path
        Folder ``NN_GT``, a data set (``docs/layouts.md``), or a file of labels (0 membrane, 255 cell; or numbered
        cells).
    output : path, optional
        Folder for ``report.html``, ``scores.json``, ``objects.csv`` and ``frames.csv``.
    images : path, optional
        The images that the report shows: a folder of ``tNNN.tif``, or a stack. By default the folder ``NN`` next to
        the truth is shown, or the images of the data set; without any, outlines on black, and of a stack the
        probabilities.
    frames : int, str or sequence, optional
        Score only these, such as "0-27" (:func:`unetpipe.datasets.parse_frames`).

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
    for path in (result, truth):
        if not path.exists():
            raise InputError(f"There is no file or folder {path}.")
    if output is None:
        return _evaluate(result, truth, None, images, frames)
    check_folder(output)
    with writing(output):
        scores = _evaluate(result, truth, output, images, frames)
        note_derived(output, SCORES, [output / NAME])
    return scores


def _evaluate(
    result: Path, truth: Path, output: Path | None, images: Path | None, frames: Frames
) -> dict[str, float | None]:
    layout = layout_of(truth) if truth.is_dir() and not _is_truth_folder(truth) else None
    if layout is not None and images is None:
        return _evaluate_data_set(result, truth, output, frames)
    if truth.is_file() != result.is_file():
        raise InputError(
            f"{result} and {truth} do not belong together: give two folders (maskNNN.tif and NN_GT), masks and a data "
            "set, or two files (probabilities or numbered cells, and labels)."
        )
    if truth.is_dir():
        if layout is None and not _is_truth_folder(truth):
            raise InputError(
                f"{truth} is not a truth: it is neither a folder NN_GT, with SEG or TRA, nor a data set. If it holds "
                "only masks, put them into FOLDER/masks and their images into FOLDER/images, and give FOLDER."
            )
        return _evaluate_folder(result, truth, output, images, frames)
    if images is None and _kind_of_masks(truth) == "instances":
        kind = _kind_of_masks(result)
        for page in _label_pages(result) if kind == "binary" else ():
            check_numbered(page, result)
        if kind in ("instances", "binary"):
            return _evaluate_cells(result, truth, output, frames)
    if frames is not None:
        raise InputError("--frames chooses frames of folders and of numbered cells; a stack is scored as a whole.")
    return _evaluate_stack(result, truth, output, images)


def _is_truth_folder(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in ("SEG", "TRA"))


def _kind_of_masks(path: Path) -> str | None:
    """Return what the values of label maps are (:func:`decide_masks`); None if the file holds no label maps."""
    try:
        return decide_masks(_label_pages(path))
    except InputError:  # such as probabilities
        return None


def _label_pages(path: Path) -> list[np.ndarray]:
    return [read_labels(path, page) for page in range(count_pages(path))]


def _evaluate_folder(
    result: Path, truth: Path, output: Path | None, images: Path | None, frames: Frames
) -> dict[str, float | None]:
    if output is not None:
        check_report_images(result, truth, images, frames)
    _say_what_is_left_over(result)
    score = score_result(result, truth, frames)
    _say_which_are_not_there(frames, [frame.frame for frame in score.scores])
    scores = score.summary.scores()
    print_summary(score.summary, *([OF_ALL_FRAMES] if frames is not None else []))
    if output is not None:
        report_masks(result, truth, output, scores, images, frames)
        write_scores(output, score.scores, score.summary)
    return scores


def _evaluate_cells(result: Path, truth: Path, output: Path | None, frames: Frames) -> dict[str, float | None]:
    """Score a file of numbered cells against another, page by page."""
    pages, others = count_pages(truth), count_pages(result)
    if pages != others:
        raise InputError(f"{result} has {others} page(s), {truth} has {pages}; they must have the same number.")
    wanted = parse_frames(frames)
    numbers = [page for page in range(pages) if wanted is None or page in wanted]
    if not numbers:
        raise InputError(f"{truth} has no page {frames}; it has the pages 0 to {pages - 1}.")
    _say_which_are_not_there(frames, numbers)
    return _score_frames(
        (
            _Scored("", page, f"page {page}", read_labels(truth, page), None, None, read_labels(result, page), None)
            for page in numbers
        ),
        f"{result.name} against {truth.name}",
        truth.resolve().parent,
        output,
    )


def _evaluate_data_set(result: Path, truth: Path, output: Path | None, frames: Frames) -> dict[str, float | None]:
    """Score masks, which are found by their names, against the truth of a data set."""
    every = find_records(truth)
    records = select(every, None, frames)
    if not records:
        raise InputError(f"{truth} has no truth for the frames {frames}; choose others by --frames.")
    _say_which_are_not_there(frames, [record["frame"] for record in records])
    keys = [(record["image"], record.get("page", 0)) for record in records]
    wanted = set(keys)
    matcher = MaskMatcher(every)
    others: dict[Path, None] = {}
    found: dict[tuple[str, int], tuple[Record, Path, int | None]] = {}
    for mask in _mask_files(result):
        pages = count_pages(mask)
        for page in range(pages):
            record = matcher.find(mask, page)
            if record is None:
                others[mask] = None
                continue
            key = record["image"], record.get("page", 0)
            if key not in wanted or mask.samefile(record["image"]):  # the data set itself has no masks of its images
                continue
            if key in found:
                raise InputError(f"{found[key][1]} and {mask} are both of {record['image']}; keep one of them.")
            check_same_sizes(mask, record["image"])
            found[key] = record, mask, page if pages > 1 else None
    missing = [record for key, record in zip(keys, records, strict=True) if key not in found]
    if not found:
        raise InputError(
            f"No mask in {result} belongs to an image of {truth}; names such as {records[0]['mask_name']} are expected."
        )
    _say_what_is_left_over(result)
    if others:
        print(f"Left out: {len(others)} mask(s) of no image that has truth, such as {next(iter(others)).name}.")
    if missing:
        first = missing[0]["mask_name"]
        print(f"Scored: {len(found)} of {len(records)} images; {len(missing)} have no mask, such as {first}.")
    return _score_frames(
        (_read_pair(*found[key]) for key in keys if key in found),  # in the order of the set, as the bundle scores it
        f"{result.resolve().name} against {truth.resolve().name}",
        truth,
        output,
    )


def _mask_files(result: Path) -> list[Path]:
    """Return a mask, or the files of a folder and its folders, without the pictures that were drawn of the masks."""
    if result.is_file():
        return [result]
    below = sorted(path for path in result.rglob("*") if path.is_dir())
    folders = [result, *(path for path in below if PICTURES.isdisjoint(path.relative_to(result).parts))]
    drawn = {path for folder in folders for path in derived_paths(folder, CELLS)}
    return [path for folder in folders for path in images_in(folder) if path not in drawn]


def _say_what_is_left_over(result: Path) -> None:
    """Name masks of earlier runs, which would be scored with the others."""
    masks = _mask_files(result) if result.is_dir() else []
    for folder in dict.fromkeys(mask.parent for mask in masks):
        left = left_over(mask for mask in masks if mask.parent == folder)
        if left:
            print(f"Note: {left}")


def _say_which_are_not_there(frames: Frames, there: Iterable[int]) -> None:
    missing = sorted((parse_frames(frames) or set()).difference(there))
    if missing:
        more = ", …" if len(missing) > SHOWN else ""
        print(f"Without truth: frames {', '.join(map(str, missing[:SHOWN]))}{more}.")


class _Scored(NamedTuple):
    """A frame with its truth, its result and its image."""

    sequence: str
    frame: int
    name: str
    truth: np.ndarray
    known: np.ndarray | None
    markers: np.ndarray | None
    result: np.ndarray
    record: Record | None


def _read_pair(record: Record, mask: Path, page: int | None) -> _Scored:
    truth, known = read_truth(record)
    result = read_labels(mask, page)
    if truth.shape != result.shape:
        raise InputError(
            f"{mask} is {result.shape[0]}×{result.shape[1]} pixels (height × width), its truth {record['label']} is "
            f"{truth.shape[0]}×{truth.shape[1]}; they must be alike."
        )
    check_numbered(result, mask)
    markers = read_markers(record["label"], result.shape)
    return _Scored(
        record["sequence"],
        record["frame"],
        frame_name(record["image"], record.get("page")),
        truth,
        known,
        markers,
        result,
        record,
    )


def _score_frames(frames: Iterable[_Scored], title: str, data: Path, output: Path | None) -> dict[str, float | None]:
    """Score frames by the measures of cells; print the table, and write tables and report."""
    scored: list[FrameScore] = []
    borders: list[dict[str, BorderScore]] = []

    def shown() -> Iterator[ScoredFrame]:
        for frame in frames:
            if frame.truth.shape != frame.result.shape:
                raise InputError(
                    f"{title}: {frame.name} is {frame.result.shape} pixels, its truth {frame.truth.shape}."
                )
            cells = score_segmentation(frame.frame, frame.truth, frame.result, frame.known, frame.markers)
            matched = None if frame.markers is None else match_frame(frame.markers, frame.result)
            scored.append(FrameScore(frame.sequence, frame.frame, cells, matched))
            record, image = frame.record, None
            if record is not None and record["layout"] == "borders" and frame.known is not None:
                borders.append(border_scores(frame.truth, frame.result, frame.known))
            if record is not None and output is not None:
                image = read_image(record["image"], record.get("page"))
            yield ScoredFrame(frame.name, frame.truth, frame.result, image, frame.known)

    gallery = Gallery() if output is None else Gallery(shown())
    if output is None:
        for _ in shown():
            pass
    summary, field = summarise(scored), sum_borders(borders)
    print_summary(summary, OF_ONE_SEQUENCE)
    scores = summary.scores()
    if field:
        print_borders(field)
        scores |= {name: score.dice for name, score in field.items()}
    if output is not None:
        write_report(output / NAME, gallery, title, data=data, scores=scores)
        print(f"Report: {output / NAME}")
        write_scores(output, scored, summary, borders=field)
    return scores


def _evaluate_stack(result: Path, truth: Path, output: Path | None, images: Path | None) -> dict[str, float | None]:
    labels, probability = _read_stack(truth, _read_label_page), _read_proposal(result)
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


def _read_label_page(path: Path, page: int) -> np.ndarray:
    """Read (1, H, W)."""
    return read_labels(path, page)[None]


def _read_stack(path: Path, read: Callable[[Path, int], np.ndarray] = read_image) -> np.ndarray:
    """Read a multi-page file as (pages, H, W)."""
    pages = [read(path, page) for page in range(count_pages(path))]
    if any(page.shape != pages[0].shape or page.shape[0] != 1 for page in pages):
        raise InputError(f"The pages of {path} must have one channel and one size.")
    return np.concatenate(pages)
