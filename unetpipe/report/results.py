"""Write reports on the results of any tool: a folder of masks, or a stack of probabilities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy import ndimage

from unetpipe.datasets import components, parse_frames
from unetpipe.datasets.ctc import numbered_files, read_marked_truth, truth_files
from unetpipe.datasets.results import TRACK_TABLE, result_masks
from unetpipe.datasets.split import Frames
from unetpipe.errors import InputError
from unetpipe.io import read_image, read_labels
from unetpipe.io.images import check_same_sizes
from unetpipe.metrics.isbi2012 import ThresholdScores
from unetpipe.report.gallery import Gallery, ScoredFrame
from unetpipe.report.page import NAME, write_report
from unetpipe.report.tracks import read_lineage

IMAGE = r"t(\d{3,})\.tiff?"
NO_OUTLINES = (
    "The truth has no outlines of cells (SEG/man_segNNN.tif), so mistakes cannot be drawn; frames.csv has their number "
    "in each frame."
)


def report_masks(
    result: Path,
    truth: Path,
    output: Path,
    scores: Mapping[str, float | None],
    images: Path | None = None,
    frames: Frames = None,
) -> None:
    """Write ``report.html`` about a folder of ``maskNNN.tif``, scored against an ``NN_GT`` folder, and print its path.

    Parameters
    ----------
    result, truth : Path
        Folders that :func:`unetpipe.metrics.score_result` and :func:`check_report_images` have checked.
    output : Path
        Folder of the report.
    scores : mapping
        Measures by name.
    images : Path, optional
        Folder of ``tNNN.tif``; by default ``NN`` next to ``NN_GT``. Without images, outlines are drawn on black.
    frames : int, str or sequence, optional
        The frames that were scored (:func:`unetpipe.datasets.parse_frames`); by default all.

    Raises
    ------
    InputError
        If an image cannot be read, or the page cannot be written.
    """
    gallery = Gallery(_frames(result, truth, images, frames))
    data = truth.resolve().parent
    title = f"{result.resolve().name} against {truth.resolve().name} of {data.name}"
    remark = "" if gallery.judged else NO_OUTLINES
    linked = frames is None and (result / TRACK_TABLE).is_file()
    lineage = read_lineage(result, _image_folder(truth, images)) if linked else None
    write_report(output / NAME, gallery, title, data=data, scores=scores, remark=remark, lineage=lineage)
    print(f"Report: {output / NAME}")


def check_report_images(result: Path, truth: Path, images: Path | None = None, frames: Frames = None) -> None:
    """Check the images of :func:`report_masks` by their headers, before the long work; it takes the same arguments.

    Raises
    ------
    InputError
        If ``images`` is given and lacks an image, or an image differs in size from its truth or its mask.
    """
    chosen = parse_frames(frames)
    folder = _image_folder(truth, images)
    pictures = numbered_files(folder, IMAGE)
    segmented = truth_files(truth)[0]
    for frame, path in sorted({**result_masks(result), **segmented}.items()):
        if chosen is not None and frame not in chosen:
            continue
        if frame in pictures:
            check_same_sizes(pictures[frame], path)
        elif images is not None and frame in segmented:
            raise InputError(f"{folder} lacks t{frame:03d}.tif, for which there is truth.")


def check_track_images(result: Path, images: Path | None = None) -> None:
    """Check the images of :func:`report_tracks` by their headers, before the masks are replaced.

    Parameters
    ----------
    result : Path
        Folder of ``maskNNN.tif``, linked or not: its masks have the sizes that the linked ones will have.
    images : Path, optional
        Folder of ``tNNN.tif``; by default ``NN`` next to ``result``, which need not exist.

    Raises
    ------
    InputError
        If ``images`` is given and holds no image, or an image differs in size from its mask.
    """
    if images is not None and not numbered_files(images, IMAGE):
        raise InputError(f"{images} holds no image t000.tif, t001.tif …, as the report needs them.")
    pictures = numbered_files(_image_folder(result, images), IMAGE)
    for frame, mask in sorted(result_masks(result).items()):
        if frame in pictures:
            check_same_sizes(pictures[frame], mask)


def report_tracks(result: Path, output: Path, images: Path | None = None, source: Path | None = None) -> None:
    """Write ``report.html`` about the tracks of linked masks, without truth, and print its path.

    The images are those that :func:`check_track_images` has checked.

    Parameters
    ----------
    result : Path
        Folder of ``maskNNN.tif`` and ``res_track.txt``.
    output : Path
        Folder of the report.
    images : Path, optional
        Folder of ``tNNN.tif``; by default ``NN`` next to ``source``. Without images, cells are drawn on black.
    source : Path, optional
        The folder ``NN_RES`` that was linked; by default ``result``.

    Raises
    ------
    InputError
        If a file cannot be read, the track table does not fit the masks, an image that is drawn differs in size from
        its mask, or the page cannot be written.
    """
    folder = result.resolve()
    lineage = read_lineage(result, _image_folder(source or result, images))
    write_report(output / NAME, Gallery(), f"Tracks of {folder.name}", data=folder, scores={}, lineage=lineage)
    print(f"Report: {output / NAME}")


def _image_folder(folder: Path, named: Path | None) -> Path:
    """Return the folder of the images: the one that the user names, or ``NN`` beside ``NN_GT`` or ``NN_RES``."""
    whole = folder.resolve()  # resolved, because "." has no name
    return whole.with_name(re.sub(r"^(\d{2,})_.*", r"\1", whole.name)) if named is None else named


def report_stack(
    probability: np.ndarray,
    labels: np.ndarray,
    data: Path,
    output: Path,
    scores: Mapping[str, ThresholdScores],
    images: np.ndarray | None = None,
) -> None:
    """Write ``report.html`` about a stack of probabilities, and print its path.

    Cells are the 4-connected components of all pixels that are not membrane. In the result, these are the pixels whose
    probability is above the threshold with the lowest Rand error.

    Parameters
    ----------
    probability : ndarray
        (slices, H, W), 0 … 1: the probability of "cell".
    labels : ndarray
        (slices, H, W): above 0 in cells, 0 on membranes.
    data : Path
        File of the labels.
    output : Path
        Folder of the report.
    scores : mapping
        Measures by name, "rand_error" among them.
    images : ndarray, optional
        (slices, H, W): the images that were segmented; by default the probabilities are shown.

    Raises
    ------
    InputError
        If the page cannot be written.
    """
    threshold = scores["rand_error"].best_threshold
    shown = probability if images is None else images
    gallery = Gallery(
        ScoredFrame(f"slice {number}", components(label > 0), ndimage.label(page > threshold)[0], image[None])
        for number, (label, page, image) in enumerate(zip(labels, probability, shown, strict=True))
    )
    title = f"Cells between membranes, above a probability of {threshold:.1f}, against {data.name}"
    measures = {name: score.best for name, score in scores.items()}
    write_report(output / NAME, gallery, title, data=data.resolve().parent, scores=measures)
    print(f"Report: {output / NAME}")


def _frames(result: Path, truth: Path, images: Path | None, frames: Frames) -> Iterator[ScoredFrame]:
    masks = result_masks(result)
    segmented, markers, silver = truth_files(truth)
    pictures = numbered_files(_image_folder(truth, images), IMAGE)
    chosen = parse_frames(frames)
    for frame, label in sorted(segmented.items()):
        if chosen is not None and frame not in chosen:
            continue
        path = pictures.get(frame)
        cells, known = read_marked_truth(label, markers.get(frame), silver.get(frame), path)
        picture = None if path is None else read_image(path)
        yield ScoredFrame(masks[frame].name, cells, read_labels(masks[frame]), picture, known)
