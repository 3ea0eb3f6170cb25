"""Track tables of the Cell Tracking Challenge: ``man_track.txt`` and ``res_track.txt``.

A line is a track: its label, its first and its last frame, and the label of its parent, 0 for none.
A track is in every frame from its first to its last; a cell that was away for a while comes back
as a new track whose parent is the old one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from unetpipe.errors import InputError
from unetpipe.files import write_text
from unetpipe.io.images import LARGEST_LABEL


class Track(NamedTuple):
    """A cell from its first to its last frame (both counted from 0, both included)."""

    label: int
    begin: int
    end: int
    parent: int = 0


def read_tracks(path: str | os.PathLike) -> list[Track]:
    """Read a track table and check it in itself.

    Returns
    -------
    list of Track
        In the order of the file.

    Raises
    ------
    InputError
        If there is no such file, or a line is not a track, repeats a label, or has a
        parent that does not exist or does not end before the track begins.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no track table {path}.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text; a track table has lines of four whole numbers.") from error
    tracks = {number: _parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()}
    _check_table({f"{path}, line {number}": track for number, track in tracks.items()})
    return list(tracks.values())


def write_tracks(path: str | os.PathLike, tracks: Iterable[Track]) -> None:
    """Write a track table, sorted by label; the file appears under its name only when complete.

    Raises
    ------
    InputError
        If the table is wrong in itself, or the file cannot be written.
    """
    path, tracks = Path(path), sorted(tracks)
    _check_table({f"Track {track.label} for {path}": track for track in tracks})
    write_text(path, "".join(f"{t.label} {t.begin} {t.end} {t.parent}\n" for t in tracks))


def check_tracks(tracks: Iterable[Track], ids_by_frame: Mapping[int, Collection[int]], name: str) -> None:
    """Check a track table against the ids in the masks: each track in each of its frames, and no other id.

    Parameters
    ----------
    tracks : iterable of Track
    ids_by_frame : mapping
        Frame to the ids in its mask, without 0.
    name : str
        What the table is called in errors, such as its path.

    Raises
    ------
    InputError
        Naming the first frame and cell that do not fit, or what is wrong with the table in itself.
    """
    tracks = list(tracks)
    _check_table({f"{name}, track {track.label}": track for track in tracks})
    last = max(ids_by_frame, default=-1)
    expected: dict[int, set[int]] = {}
    for track in tracks:
        if track.end > last:  # checked first: a mistyped frame would make a very long list
            raise InputError(f"{name}: track {track.label} ends in frame {track.end}, but the last mask is {last}.")
        for frame in range(track.begin, track.end + 1):
            expected.setdefault(frame, set()).add(track.label)
    for frame in sorted({*expected, *ids_by_frame}):
        there, wanted = {int(cell) for cell in ids_by_frame.get(frame, ())}, expected.get(frame, set())
        if there - wanted:
            raise InputError(f"{name}: cell {min(there - wanted)} in the mask of frame {frame} has no track there.")
        if wanted - there:
            raise InputError(f"{name}: track {min(wanted - there)} has no cell in the mask of frame {frame}.")


def _parse(line: str, place: str) -> Track:
    try:
        label, begin, end, parent = (int(word) for word in line.split())
    except ValueError as error:
        raise InputError(
            f"{place}: {line.strip()!r} is not a track: a track is label, first frame, last frame, parent."
        ) from error
    return Track(label, begin, end, parent)


def _check_table(tracks: Mapping[str, Track]) -> None:
    """Check each track by itself and against its parent; the keys say where a track stands."""
    by_label: dict[int, Track] = {}
    for place, track in tracks.items():
        if not 1 <= track.label <= LARGEST_LABEL:
            raise InputError(f"{place}: label {track.label} is not within 1 and {LARGEST_LABEL}.")
        if not 0 <= track.begin <= track.end:
            raise InputError(f"{place}: frames {track.begin} to {track.end} are not a span of frames from 0.")
        if track.label in by_label:
            raise InputError(f"{place}: label {track.label} is there twice.")
        by_label[track.label] = track
    for place, track in tracks.items():
        if track.parent == 0:
            continue
        if track.parent not in by_label:
            raise InputError(f"{place}: parent {track.parent} is not a track of this table.")
        if by_label[track.parent].end >= track.begin:
            raise InputError(
                f"{place}: begins in frame {track.begin}, but its parent {track.parent} ends only in frame "
                f"{by_label[track.parent].end}."
            )
