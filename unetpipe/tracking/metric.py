"""Compute TRA, the tracking measure of the Cell Tracking Challenge, as a MONAI metric."""

from __future__ import annotations

import os
from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.io.track_tables import read_tracks
from unetpipe.metrics.matching import FrameMatch, match_frame
from unetpipe.metrics.seg_det_tra import count_errors
from unetpipe.tracking.overlap import CellLinker


class TRAMetric(CumulativeIterationMetric):
    """TRA of a sequence, as a MONAI metric that links the predictions frame by frame.

    Call it with the frames of one sequence in the order of time, from frame 0 on: lists (or a batch) of instance maps
    (1, H, W), prediction first, then the markers of all cells. ``aggregate`` returns TRA of the frames so far as a
    float, NaN before the first true cell.

    Parameters
    ----------
    track_table : path
        The sequence's ``man_track.txt``.
    linking
        Parameters of :class:`unetpipe.tracking.CellLinker`.

    Notes
    -----
    A link joins two frames, so a frame cannot be scored by itself. The metric keeps the matches of all frames; MONAI's
    buffer only counts the frames. All frames must go through the same process.
    """

    def __init__(self, track_table: str | os.PathLike, **linking: Any) -> None:
        self.tracks = read_tracks(track_table)
        self.linking = linking
        super().__init__()

    def reset(self) -> None:
        """Forget all frames; the next one is frame 0 again."""
        super().reset()
        self._linker = CellLinker(**self.linking)
        self._frames: dict[int, FrameMatch] = {}

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("TRA needs the truth as well as the prediction.")
        first = len(self._frames)
        for frame, (result, markers) in enumerate(zip(y_pred, y, strict=True), first):
            linked = self._linker(convert_to_numpy(result)[0])
            self._frames[frame] = match_frame(convert_to_numpy(markers)[0], linked)
        return torch.arange(first, len(self._frames))

    def aggregate(self) -> float:
        """Return TRA of the frames so far."""
        begun = [track for track in self.tracks if track.begin < len(self._frames)]
        return count_errors(self._frames, begun, self._linker.tracks).tra
