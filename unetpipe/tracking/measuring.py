"""Measure tracks: how long they live, how far they go, and which of them a person should look at; ``tracks.csv``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unetpipe.io.tables import write_csv
from unetpipe.io.track_tables import Track, check_tracks
from unetpipe.tracking.places import find_places

TRACK_COLUMNS = (
    *("track", "first_frame", "last_frame", "parent", "children", "length"),
    *("mean_area", "path_length", "displacement", "short", "jump", "divides"),
)
MICROMETRE_COLUMNS = ("mean_area_um2", "path_length_um", "displacement_um")
SHORT = 3  # frames: a track of so few is rarely a cell
JUMP = 0.5  # of the cell's diameter: a longer step is rarely one cell


@dataclass(frozen=True)
class MeasuredTrack:
    """A track with its measures.

    Attributes
    ----------
    track : Track
    children : tuple of int
        Labels of the tracks whose parent it is.
    mean_area : float
        Mean area of its cells in pixels.
    path_length : float
        Sum of the distances between its centroids in consecutive frames, in pixels.
    displacement : float
        Distance from its first centroid to its last, in pixels.
    jumps : tuple of int
        Frames in which its centroid is more than half a diameter away from where it was in the frame before. The
        diameter is that of a circle with the mean area of both cells.
    short : bool
        Whether it has three frames or fewer, and is neither in the first nor in the last frame of the sequence.
    gap : int
        Frames between the end of its parent and its begin, if it is the only child of its parent; else 0.
    """

    track: Track
    children: tuple[int, ...]
    mean_area: float
    path_length: float
    displacement: float
    jumps: tuple[int, ...]
    short: bool
    gap: int = 0

    @property
    def length(self) -> int:
        """Number of its frames."""
        return self.track.end - self.track.begin + 1

    @property
    def divides(self) -> bool:
        """Whether it has several children."""
        return len(self.children) > 1


class TrackMeasures:
    """Measure the tracks of a sequence, one frame after the other.

    Examples
    --------
    A cell of one pixel moves by 3 and then by 4 pixels.

    >>> measures = TrackMeasures()
    >>> for x in (0, 3, 7):
    ...     measures.add(np.array([[5 if column == x else 0 for column in range(8)]]))
    >>> (measured,) = measures.measure([Track(5, 0, 2)])
    >>> measured.path_length, measured.displacement, measured.jumps
    (7.0, 7.0, (1, 2))
    """

    def __init__(self) -> None:
        self._ids: list[list[int]] = []  # of each frame
        self._seen: dict[int, list[tuple[int, float, float, float]]] = {}  # label: frame, area, y, x

    def add(self, labels: np.ndarray) -> None:
        """Measure the next frame, (H, W), integer: track labels, 0 background."""
        ids, areas, centroids = (values.tolist() for values in find_places(labels))
        for label, area, (y, x) in zip(ids, areas, centroids, strict=True):
            self._seen.setdefault(label, []).append((self.frames, area, y, x))
        self._ids.append(ids)

    @property
    def frames(self) -> int:
        """Number of frames so far."""
        return len(self._ids)

    def measure(self, tracks: Iterable[Track], name: str = "The track table") -> list[MeasuredTrack]:
        """Return the measures of the tracks, by label.

        Parameters
        ----------
        tracks : iterable of Track
            All tracks of the frames so far.
        name : str
            What the table is called in errors, such as its path.

        Raises
        ------
        InputError
            If the tracks do not fit the frames.
        """
        tracks = sorted(tracks)
        check_tracks(tracks, dict(enumerate(self._ids)), name)
        children: dict[int, list[int]] = {}
        for track in tracks:
            if track.parent:
                children.setdefault(track.parent, []).append(track.label)
        ends = {track.label: track.end for track in tracks}
        return [self._measure(track, children, ends) for track in tracks]

    def _measure(self, track: Track, children: dict[int, list[int]], ends: dict[int, int]) -> MeasuredTrack:
        seen = np.array(self._seen[track.label])
        areas, centroids = seen[:, 1], seen[:, 2:]
        steps = np.hypot(*np.diff(centroids, axis=0).T)
        diameters = 2 * np.sqrt((areas[1:] + areas[:-1]) / 2 / math.pi)
        alone = track.parent and len(children[track.parent]) == 1
        inside = track.begin > 0 and track.end < self.frames - 1
        return MeasuredTrack(
            track=track,
            children=tuple(children.get(track.label, ())),
            mean_area=float(areas.mean()),
            path_length=float(steps.sum()),
            displacement=float(np.hypot(*(centroids[-1] - centroids[0]))),
            jumps=tuple(seen[1:, 0][steps > JUMP * diameters].astype(int).tolist()),
            short=inside and track.end - track.begin < SHORT,
            gap=track.begin - ends[track.parent] - 1 if alone else 0,
        )


def write_track_table(path: Path, measured: Iterable[MeasuredTrack], pixel_size: float | None = None) -> None:
    """Write ``tracks.csv``: a row for each track; lengths in pixels and, with a pixel size, in micrometres.

    Columns are ``track``, ``first_frame``, ``last_frame``, ``parent`` (0: none), ``children`` (their number),
    ``length`` (frames), ``mean_area``, ``path_length``, ``displacement``, and True or False for ``short``, ``jump`` and
    ``divides``; see :class:`MeasuredTrack`. With a pixel size also ``mean_area_um2``, ``path_length_um`` and
    ``displacement_um``.

    Parameters
    ----------
    path : Path
    measured : iterable of MeasuredTrack
    pixel_size : float, optional
        Side of a pixel in micrometres.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    columns = TRACK_COLUMNS if pixel_size is None else TRACK_COLUMNS + MICROMETRE_COLUMNS
    write_csv(path, columns, (_row(track, pixel_size) for track in measured))


def _row(measured: MeasuredTrack, pixel_size: float | None) -> list[Any]:
    track = measured.track
    row: list[Any] = [track.label, track.begin, track.end, track.parent, len(measured.children), measured.length]
    row += [_text(value) for value in (measured.mean_area, measured.path_length, measured.displacement)]
    row += [measured.short, bool(measured.jumps), measured.divides]
    if pixel_size is not None:
        row += [_text(measured.mean_area * pixel_size**2)]
        row += [_text(value * pixel_size) for value in (measured.path_length, measured.displacement)]
    return row


def _text(value: float) -> str:
    return f"{value:.10g}"  # as in cells.csv
