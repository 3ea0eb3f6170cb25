"""The scores of a whole result, from those of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unetpipe.metrics.aogm import AOGMErrors, count_errors
from unetpipe.metrics.detection import DetectionScore
from unetpipe.metrics.frame import FrameScore
from unetpipe.metrics.pixels import PixelScore


@dataclass(frozen=True)
class Summary:
    """The scores of a result; None where the truth does not hold what a measure needs.

    Attributes
    ----------
    frames, objects : int
        Frames with segmentation truth, and their cells.
    seg : float or None
        Mean Jaccard index of these cells.
    det, tra : float or None
        Against the tracking truth; TRA only of a result with tracks.
    pixels : PixelScore or None
        Pixels of all frames: IoU and Dice.
    detection : DetectionScore or None
        Objects of all frames at IoU 0.5: precision, recall and F1.
    mean_precision : float or None
        Mean over the frames, as the Data Science Bowl 2018 takes it.
    errors : AOGMErrors or None
        What DET and TRA count.
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

    def scores(self) -> dict[str, float | None]:
        """Return the measures by name, in the order in which they are shown."""
        pixels, found = self.pixels, self.detection
        return {
            "SEG": self.seg,
            "DET": self.det,
            "TRA": self.tra,
            "IoU": pixels.iou if pixels else None,
            "Dice": pixels.dice if pixels else None,
            "precision": found.precision if found else None,
            "recall": found.recall if found else None,
            "F1": found.f1 if found else None,
            "mean_precision": self.mean_precision,
        }


def summarise(frames: Sequence[FrameScore], errors: AOGMErrors | None = None, with_tracks: bool = False) -> Summary:
    """Sum up the scores of frames.

    Parameters
    ----------
    frames : sequence of FrameScore
        Of one sequence or several.
    errors : AOGMErrors, optional
        What :func:`unetpipe.metrics.aogm.count_errors` counted with tracks; without it the vertices are
        counted here.
    with_tracks : bool
        Whether ``errors`` counts edges too, so that TRA has a meaning.
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
    )


def _sums(counts: Sequence[tuple[int, ...]]) -> list[int]:
    return np.sum(counts, axis=0).tolist()
