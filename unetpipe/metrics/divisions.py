"""Divisions found: the branching correctness BC(i) of the Cell Tracking Challenge, an F1 score.

References
----------
V. Ulman et al.: An objective comparison of cell-tracking algorithms, Nature Methods 14 (2017): BC(i).
``py-ctcmetrics``, the challenge's own code: which divisions count as the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from unetpipe.io.track_tables import Track
from unetpipe.metrics.detection import DetectionScore
from unetpipe.metrics.matching import FrameMatch

TOLERANCE = 1  # frames, in tables and reports


class _Division(NamedTuple):
    """A track with several children."""

    parent: Track
    children: tuple[Track, ...]


def score_divisions(
    frames: Mapping[int, FrameMatch],
    reference_tracks: Sequence[Track],
    result_tracks: Sequence[Track],
    tolerance: int = TOLERANCE,
) -> DetectionScore:
    """Count the divisions of the reference that the result has too; their ``f1`` is BC(``tolerance``).

    A division is a track with several children. One of the reference and one of the result are the same if

    - both parents end at most ``tolerance`` frames apart, and the result's parent covers the reference's parent, and no
      other cell, in the earlier of the two frames in which they end;
    - both have the same number of children;
    - for each child of the reference there is another child of the result that begins at most ``tolerance`` frames
      before or after it, and covers it, and no other cell, in the later of the two frames in which they begin.

    Each division is the same as one other at most. A track that continues after a gap has one child: it did not divide.

    Parameters
    ----------
    frames : mapping of int to FrameMatch
        Frame numbers and what was matched there.
    reference_tracks, result_tracks : sequence of Track
    tolerance : int
        Frames that a division may come too early or too late.

    Returns
    -------
    DetectionScore
        ``f1`` is 1 if there is no division in either.

    Examples
    --------
    Cell 1 divides after frame 0; in the result it continues, and a new cell appears.

    >>> frames = {0: FrameMatch((1,), (7,), (7,)), 1: FrameMatch((2, 3), (7, 8), (7, 8))}
    >>> reference = [Track(1, 0, 0), Track(2, 1, 1, 1), Track(3, 1, 1, 1)]
    >>> score_divisions(frames, reference, [Track(7, 0, 1), Track(8, 1, 1)])
    DetectionScore(tp=0, fp=0, fn=1)
    """
    covered = {frame: _covered(match) for frame, match in frames.items()}
    wanted, found = _divisions(reference_tracks), _divisions(result_tracks)
    pairs = sorted(
        (abs(true.parent.end - other.parent.end), row, column)
        for row, true in enumerate(wanted)
        for column, other in enumerate(found)
        if _are_same(true, other, covered, tolerance)
    )
    rows: set[int] = set()
    columns: set[int] = set()
    for _, row, column in pairs:  # the nearest in time first
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
    return DetectionScore(len(rows), len(found) - len(rows), len(wanted) - len(rows))


def _covered(match: FrameMatch) -> dict[int, int]:
    """Return the result object of each reference object that has one for itself."""
    shared = set(match.merging)
    pairs = zip(match.reference, match.matched, strict=True)
    return {cell: found for cell, found in pairs if found and found not in shared}


def _divisions(tracks: Sequence[Track]) -> list[_Division]:
    children: dict[int, list[Track]] = {}
    for track in tracks:
        if track.parent:
            children.setdefault(track.parent, []).append(track)
    return [
        _Division(track, tuple(children[track.label])) for track in tracks if len(children.get(track.label, ())) > 1
    ]


def _are_same(true: _Division, found: _Division, covered: Mapping[int, Mapping[int, int]], tolerance: int) -> bool:
    if len(true.children) != len(found.children) or abs(true.parent.end - found.parent.end) > tolerance:
        return False
    end = min(true.parent.end, found.parent.end)
    if covered.get(end, {}).get(true.parent.label) != found.parent.label:
        return False
    daughters = set()
    for child in true.children:
        for other in found.children:
            begin = max(child.begin, other.begin)
            same = covered.get(begin, {}).get(child.label) == other.label
            if same and abs(child.begin - other.begin) <= tolerance and other.label not in daughters:
                daughters.add(other.label)
                break
    return len(daughters) == len(true.children)
