"""Score a result folder against a truth folder of the Cell Tracking Challenge."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unetpipe.datasets.ctc import numbered_files, read_marked_truth, truth_files
from unetpipe.datasets.results import TRACK_TABLE, mask_names, read_mask, result_masks
from unetpipe.datasets.split import Frames, parse_frames
from unetpipe.errors import InputError
from unetpipe.io.images import check_same_sizes
from unetpipe.io.track_tables import Track, check_tracks, read_tracks
from unetpipe.metrics.divisions import score_divisions
from unetpipe.metrics.matching import FrameMatch, match_frame
from unetpipe.metrics.seg_det_tra import AOGMErrors, count_errors
from unetpipe.metrics.summary import FrameScore, ReferenceObject, Summary, score_segmentation, summarise


@dataclass(frozen=True)
class CTCScore:
    """The scores of a result folder; None where the folders lack what a measure needs.

    Attributes
    ----------
    seg, det, tra : float or None
    objects : tuple of ReferenceObject
        The cells of the segmentation truth; SEG is their mean Jaccard index.
    frames : dict of int to FrameMatch
        The cells of the tracking truth, by frame.
    errors : AOGMErrors or None
        The corrections that DET and TRA count.
    scores : tuple of FrameScore
        Every frame with truth, in the order of time.
    summary : Summary
        All measures, IoU and F1 among them.
    """

    seg: float | None
    det: float | None
    tra: float | None
    objects: tuple[ReferenceObject, ...]
    frames: dict[int, FrameMatch]
    errors: AOGMErrors | None
    scores: tuple[FrameScore, ...]
    summary: Summary


def score_result(result_dir: str | os.PathLike, truth_dir: str | os.PathLike, frames: Frames = None) -> CTCScore:
    """Score a 2D result folder (``NN_RES``) against a truth folder (``NN_GT``).

    Parameters
    ----------
    result_dir : path
        Holds ``maskNNN.tif``, one for each frame with markers. With ``res_track.txt``, TRA is computed too.
    truth_dir : path
        Holds ``SEG/man_segNNN.tif``, for SEG and the other measures of outlines, or ``TRA/man_trackNNN.tif`` with
        ``TRA/man_track.txt``, for DET and TRA, or both.
    frames : int, str or sequence, optional
        Score only these, such as "0-27" (:func:`unetpipe.datasets.parse_frames`). TRA is left out then.

    Raises
    ------
    InputError
        If a folder does not have this layout or lacks a frame, a mask cannot be read, differs in size or type, or
        holds values that are not 16-bit ids, or a track table is wrong or does not fit its masks.

    Notes
    -----
    Gold truth may leave cells out; the markers show which. These cells do not count for SEG. The pixel measures, F1
    and mean precision ignore the objects that cover their markers, the masks that ``NN_ST`` has of them and, without
    ``NN_ST``, what the images in ``NN`` show of them (:func:`unetpipe.datasets.unannotated_cells.known_pixels`).
    """
    result_dir, truth_dir = Path(result_dir), Path(truth_dir)
    masks = result_masks(result_dir)
    segmented, marked, silver = truth_files(truth_dir)
    chosen = parse_frames(frames)
    if chosen is not None:
        masks, segmented, marked = (
            {frame: path for frame, path in files.items() if frame in chosen} for files in (masks, segmented, marked)
        )
        if not segmented and not marked:
            raise InputError(f"{truth_dir} has no truth for the frames {frames}; choose others by --frames.")
    _check_layout(result_dir, truth_dir, masks, segmented, marked)
    for frame, path in [*segmented.items(), *marked.items()]:
        check_same_sizes(masks[frame], path)
    name = re.fullmatch(r"(\d{2,})_(GT|ST)", truth_dir.resolve().name)
    sequence = name.group(1) if name else ""
    images = numbered_files(truth_dir.resolve().with_name(sequence), r"t(\d{3,})\.tiff?") if sequence else {}
    scores: list[FrameScore] = []
    for frame in sorted({*segmented, *marked}):
        result = read_mask(masks[frame])  # once, for both truths
        markers = _read_truth(marked[frame], result, masks[frame]) if frame in marked else None
        segmentation = None
        if frame in segmented:
            truth = _read_truth(segmented[frame], result, masks[frame])
            if frame in silver:
                _read_truth(silver[frame], result, masks[frame])
            known = read_marked_truth(segmented[frame], marked.get(frame), silver.get(frame), images.get(frame))[1]
            segmentation = score_segmentation(frame, truth, result, known, markers)
        matched = None if markers is None else match_frame(markers, result)
        scores.append(FrameScore(sequence, frame, segmentation, matched))
    matches = {score.frame: score.markers for score in scores if score.markers is not None}
    tables: tuple[list[Track], list[Track]] | tuple[()] = ()
    if chosen is None:
        tables = _read_tables(truth_dir / "TRA" / "man_track.txt", result_dir / TRACK_TABLE, matches)
    divisions = score_divisions(matches, *tables) if tables else None
    summary = summarise(scores, count_errors(matches, *tables), bool(tables), divisions)
    objects = [cell for score in scores if score.segmentation for cell in score.segmentation.objects]
    return CTCScore(
        seg=summary.seg,
        det=summary.det,
        tra=summary.tra,
        objects=tuple(objects),
        frames=matches,
        errors=summary.errors,
        scores=tuple(scores),
        summary=summary,
    )


def _check_layout(
    result_dir: Path,
    truth_dir: Path,
    masks: Mapping[int, Path],
    segmented: Mapping[int, Path],
    marked: Mapping[int, Path],
) -> None:
    if not segmented and not marked:
        raise InputError(
            f"{truth_dir} is not a truth folder of the Cell Tracking Challenge, such as 01_GT: it holds neither "
            "SEG/man_segNNN.tif nor TRA/man_trackNNN.tif."
        )
    missing = {*segmented, *marked} - masks.keys()
    if missing:
        there = sorted(masks.keys() & {*segmented, *marked})
        hint = f" To score only the frames that are there, use --frames {_ranges(there)}." if there else ""
        raise InputError(f"{result_dir} lacks {mask_names(missing)}, for which {truth_dir} has truth.{hint}")
    unknown = masks.keys() - marked.keys()
    if marked and unknown:
        names = mask_names(unknown, "man_track")
        raise InputError(f"{truth_dir / 'TRA'} lacks {names}, for which {result_dir} has masks.")


def _ranges(frames: Sequence[int]) -> str:
    """Write ascending numbers as ranges: "0-3,7"."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _read_truth(path: Path, result: np.ndarray, mask: Path) -> np.ndarray:
    """Read a map of ids (H, W), and check that the result, which was read from ``mask``, has its size and type."""
    truth = read_mask(path)
    if truth.shape != result.shape:
        raise InputError(f"{mask} is {result.shape} pixels, {path} is {truth.shape}; they must be alike.")
    if result.dtype not in (np.uint16, truth.dtype):  # 8-bit files are often masks of 0 and 255
        raise InputError(
            f"{mask} holds {result.dtype}, {path} holds {truth.dtype}; write the result as the challenge requires it: "
            "16-bit TIFFs (uint16) with one id for each cell."
        )
    return truth


def _read_tables(
    reference: Path, result: Path, frames: Mapping[int, FrameMatch]
) -> tuple[list[Track], list[Track]] | tuple[()]:
    """Read and check both track tables; return () if the result has none."""
    if not frames:
        return ()
    if not result.is_file():
        if reference.is_file():  # report a mistake in it now, not only once the result is linked
            read_tracks(reference)
        return ()
    tables = read_tracks(reference), read_tracks(result)
    check_tracks(tables[0], {frame: match.reference for frame, match in frames.items()}, str(reference))
    check_tracks(tables[1], {frame: match.result for frame, match in frames.items()}, str(result))
    return tables
