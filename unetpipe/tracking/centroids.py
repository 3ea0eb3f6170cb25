"""Link cells by the distance of their centroids, over the whole sequence at once, with LapTrack.

References
----------
Y. T. Fukai, K. Kawaguchi: LapTrack: linear assignment particle tracking with tunable metrics, Bioinformatics 39 (2023).
K. Jaqaman et al.: Robust single-particle tracking in live-cell time-lapse sequences, Nature Methods 5 (2008).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from laptrack import LapTrack

from unetpipe.errors import InputError
from unetpipe.io.track_tables import Track
from unetpipe.tracking.linkers import check_gap
from unetpipe.tracking.places import CellPlaces, find_places


class CentroidLinker:
    """Link cells by the distance of their centroids; for cells that move so far that outlines do not overlap.

    Cells of consecutive frames are paired so that the sum of the squared distances is lowest. The pieces of tracks that
    this gives are then joined over gaps and divisions, all at once. Cells that were lost continue as a new track, whose
    parent is the lost one, as the Cell Tracking Challenge writes it.

    Parameters
    ----------
    max_distance : float, optional
        Cells whose centroids are this many pixels or more apart are not the same, nor parent and daughter. By default
        the diameter of a circle of the cells' median area.
    max_gap : int
        Number of frames that a cell may be missing.

    Raises
    ------
    InputError
        If a parameter is out of range, or a frame's size differs from that of the frames before.

    Examples
    --------
    >>> linker = CentroidLinker(max_distance=5)
    >>> [frame.tolist() for frame in linker.link([np.array([[7, 0, 0, 0]]), np.array([[0, 0, 0, 3]])])]
    [[[1, 0, 0, 0]], [[0, 0, 0, 1]]]
    >>> linker.tracks
    [Track(label=1, begin=0, end=1, parent=0)]
    """

    def __init__(self, max_distance: float | None = None, max_gap: int = 2) -> None:
        if max_distance is not None and not (math.isfinite(max_distance) and max_distance > 0):
            raise InputError(f"max_distance={max_distance} must be a number of pixels above 0.")
        check_gap(max_gap)
        self.max_distance = max_distance
        self.max_gap = max_gap
        self.tracks: list[Track] = []

    def link(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the frames with track labels; see :meth:`unetpipe.tracking.linkers.Linker.link`."""
        if iter(frames) is frames:
            frames = list(frames)
        cells = []
        shape = None
        for number, frame in enumerate(frames):
            shape = frame.shape if shape is None else shape
            if frame.shape != shape:
                raise InputError(f"Frame {number} is {frame.shape} pixels, the frames before it are {shape}.")
            cells.append(find_places(frame))
        labels = self._link_places(cells)
        for frame, its_cells, its_labels in zip(frames, cells, labels, strict=True):
            yield np.append(0, its_labels).astype(np.int32)[np.searchsorted(np.append(0, its_cells.ids), frame)]

    def _link_places(self, cells: list[CellPlaces]) -> list[list[int]]:
        """Fill the track table, and return the label of each cell of each frame."""
        areas = np.concatenate([its.areas for its in cells]) if cells else np.empty(0)
        if not len(areas):
            return [[] for _ in cells]
        furthest = 2 * math.sqrt(np.median(areas) / math.pi) if self.max_distance is None else self.max_distance
        steps = self.max_gap + 1
        cutoffs: dict[str, Any] = dict.fromkeys(("cutoff", "gap_closing_cutoff", "splitting_cutoff"), furthest**2)
        tracker = LapTrack(**cutoffs, gap_closing_max_frame_count=steps)
        graph: Any = tracker.predict([its.centroids for its in cells])
        labels: list[list[int]] = [[0] * len(its.ids) for its in cells]
        tracks: dict[int, Track] = {}
        for frame, row in sorted(graph.nodes):
            before, place = next(graph.predecessors((frame, row)), (-1, 0))
            parent = labels[before][place] if before >= 0 else 0
            if parent and before == frame - 1 and graph.out_degree((before, place)) == 1:
                labels[frame][row] = parent
                tracks[parent] = tracks[parent]._replace(end=frame)
            else:
                labels[frame][row] = len(tracks) + 1
                tracks[len(tracks) + 1] = Track(len(tracks) + 1, frame, frame, parent)
        self.tracks = list(tracks.values())
        return labels
