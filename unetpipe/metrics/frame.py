"""One frame of a result against its truth: what the scores of a data set are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unetpipe.metrics.detection import DetectionScore, detection_score, mean_precision
from unetpipe.metrics.matching import FrameMatch, match_frame, within_known
from unetpipe.metrics.pixels import PixelScore, pixel_score
from unetpipe.metrics.seg import object_jaccards


@dataclass(frozen=True)
class ReferenceObject:
    """A cell of the segmentation truth: its Jaccard index, and the result object that covers it, 0 for none."""

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
        SEG is their mean Jaccard index. What the result has beside them does not count.
    match : FrameMatch
    pixels : PixelScore
    detection : DetectionScore
        At IoU 0.5.
    mean_precision : float
        These four count only where the truth is known (:func:`unetpipe.metrics.matching.within_known`).
    """

    objects: tuple[ReferenceObject, ...]
    match: FrameMatch
    pixels: PixelScore
    detection: DetectionScore
    mean_precision: float


@dataclass(frozen=True)
class FrameScore:
    """The scores of a frame; None where it has no such truth.

    Attributes
    ----------
    sequence : str
        "01" …; empty if it has no name.
    frame : int
    segmentation : SegmentationScore or None
        Against the outlines of the cells.
    markers : FrameMatch or None
        Against the markers of the tracking truth, which stand in every cell.
    """

    sequence: str
    frame: int
    segmentation: SegmentationScore | None = None
    markers: FrameMatch | None = None


def score_segmentation(
    frame: int, truth: np.ndarray, result: np.ndarray, known: np.ndarray | None = None
) -> SegmentationScore:
    """Score the result of a frame against its segmentation truth.

    Parameters
    ----------
    frame : int
        Its number.
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    known : ndarray, optional
        (H, W), bool: where the truth is known; by default everywhere.

    Raises
    ------
    ValueError
        If the arrays differ in shape, or truth or result are no integers from 0.
    """
    match, jaccards = match_frame(truth, result), object_jaccards(truth, result).tolist()
    rows = zip(match.reference, jaccards, match.matched, strict=True)
    objects = tuple(ReferenceObject(frame, *row) for row in rows)
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
