"""Score one frame of a result, and sum up the scores of a whole result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unetpipe.datasets.unannotated_cells import unannotated
from unetpipe.metrics.detection import DetectionScore, detection_score, mean_precision
from unetpipe.metrics.matching import FrameMatch, match_frame, within_known
from unetpipe.metrics.pixels import PixelScore, pixel_score
from unetpipe.metrics.seg_det_tra import AOGMErrors, count_errors, object_jaccards


@dataclass(frozen=True)
class ReferenceObject:
    """A cell of the segmentation truth, its Jaccard index, and the id of the result object that covers it (0: none)."""

    frame: int
    id: int
    jaccard: float
    result_id: int


@dataclass(frozen=True)
class SegmentationScore:
    """The scores of a frame against its segmentation truth.

    Attributes
    ----------
    objects : tuple of ReferenceObject
        SEG is their mean Jaccard index. Other objects of the result do not count.
    match : FrameMatch
        Which objects belong together. This attribute and those below count only where the truth is known
        (:func:`unetpipe.metrics.within_known`).
    pixels : PixelScore
        Cell against background.
    detection : DetectionScore
        Objects found at IoU 0.5.
    mean_precision : float
        Mean over IoU 0.5 to 0.95.
    """

    objects: tuple[ReferenceObject, ...]
    match: FrameMatch
    pixels: PixelScore
    detection: DetectionScore
    mean_precision: float


@dataclass(frozen=True)
class FrameScore:
    """The scores of a frame; None where the truth that a score needs is missing.

    Attributes
    ----------
    sequence : str
        "01" …; empty if it has no name.
    frame : int
        Number of the frame.
    segmentation : SegmentationScore or None
        Against the outlines of the cells.
    markers : FrameMatch or None
        Against the markers of the tracking truth, which mark every cell.
    """

    sequence: str
    frame: int
    segmentation: SegmentationScore | None = None
    markers: FrameMatch | None = None


def score_segmentation(
    frame: int,
    truth: np.ndarray,
    result: np.ndarray,
    known: np.ndarray | None = None,
    markers: np.ndarray | None = None,
) -> SegmentationScore:
    """Score the result of a frame against its segmentation truth.

    Parameters
    ----------
    frame : int
        Number of the frame.
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    known : ndarray, optional
        (H, W), bool: where the truth is known; by default everywhere.
    markers : ndarray, optional
        (H, W), integer: markers of all cells. An object of the result that covers the marker of a cell without
        outlines in the truth, and no other cell, is not known either, so it is not counted as invented.

    Raises
    ------
    ValueError
        If the arrays differ in shape, or truth or result hold anything but integers from 0.
    """
    match, jaccards = match_frame(truth, result), object_jaccards(truth, result).tolist()
    rows = zip(match.reference, jaccards, match.matched, strict=True)
    objects = tuple(ReferenceObject(frame, *row) for row in rows)
    if markers is not None:
        left_out = unannotated(truth, markers)
        marked = match_frame(np.where(np.isin(markers, left_out), markers, 0), result)
        theirs = {*marked.matched} - {0, *match.matched}
        known = (truth > 0) | ~np.isin(result, list(theirs)) & (True if known is None else known)
    if known is not None and not known.all():
        truth, result = within_known(truth, result, known)
        match = match_frame(truth, result)
    return SegmentationScore(
        objects,
        match,
        pixel_score(truth, result),
        detection_score(truth, result),
        mean_precision(truth, result),
    )


@dataclass(frozen=True)
class Summary:
    """The scores of a whole result; None where the truth that a measure needs is missing.

    Attributes
    ----------
    frames, objects : int
        Frames with segmentation truth, and their cells.
    seg : float or None
        Mean Jaccard index of these cells.
    det, tra : float or None
        Against the tracking truth; TRA needs a result with tracks.
    pixels : PixelScore or None
        Pixels of all frames: IoU and Dice.
    detection : DetectionScore or None
        Objects of all frames at IoU 0.5: precision, recall and F1.
    mean_precision : float or None
        Mean over the frames, as the Data Science Bowl 2018 takes it.
    errors : AOGMErrors or None
        What DET and TRA count.
    divisions : DetectionScore or None
        Divisions found, to one frame (:func:`unetpipe.metrics.score_divisions`); needs a result with tracks, and a
        division in truth or result.
    """

    frames: int
    objects: int
    seg: float | None
    det: float | None
    tra: float | None
    pixels: PixelScore | None
    detection: DetectionScore | None
    mean_precision: float | None
    errors: AOGMErrors | None
    divisions: DetectionScore | None = None

    def scores(self) -> dict[str, float | None]:
        """Return the measures by name, in the order in which they are shown."""
        pixels, found = self.pixels, self.detection
        return {
            "SEG": self.seg,
            "DET": self.det,
            "TRA": self.tra,
            "division_F1": self.divisions.f1 if self.divisions else None,
            "IoU": pixels.iou if pixels else None,
            "Dice": pixels.dice if pixels else None,
            "precision": found.precision if found else None,
            "recall": found.recall if found else None,
            "F1": found.f1 if found else None,
            "mean_precision": self.mean_precision,
        }


def summarise(
    frames: Sequence[FrameScore],
    errors: AOGMErrors | None = None,
    with_tracks: bool = False,
    divisions: DetectionScore | None = None,
) -> Summary:
    """Sum up the scores of frames.

    Parameters
    ----------
    frames : sequence of FrameScore
        Of one sequence or of several.
    errors : AOGMErrors, optional
        What :func:`unetpipe.metrics.seg_det_tra.count_errors` counted with tracks. By default the errors of the
        vertices are counted here.
    with_tracks : bool
        Whether ``errors`` counts edges too; only then TRA is computed.
    divisions : DetectionScore, optional
        Divisions found.
    """
    segmented = [frame.segmentation for frame in frames if frame.segmentation is not None]
    jaccards = [cell.jaccard for score in segmented for cell in score.objects]
    if errors is None:
        errors = count_errors(dict(enumerate(frame.markers for frame in frames if frame.markers is not None)))
    known = errors.vertices > 0
    return Summary(
        frames=len(segmented),
        objects=len(jaccards),
        seg=float(np.mean(jaccards)) if jaccards else None,
        det=errors.det if known else None,
        tra=errors.tra if known and with_tracks else None,
        pixels=PixelScore(*_sums([score.pixels for score in segmented])) if segmented else None,
        detection=DetectionScore(*_sums([score.detection for score in segmented])) if segmented else None,
        mean_precision=float(np.mean([score.mean_precision for score in segmented])) if segmented else None,
        errors=errors if known else None,
        divisions=divisions if divisions is not None and any(divisions) else None,
    )


def _sums(counts: Sequence[tuple[int, ...]]) -> list[int]:
    return np.sum(counts, axis=0).tolist()
