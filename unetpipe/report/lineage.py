"""Lay out a lineage tree: time runs to the right, each track is a bar, daughters branch off where their parent ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unetpipe.tracking.measuring import MeasuredTrack

WIDTH = 1180  # of the tree, in CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 10, 26, 24, 24
ROW, BAR = 17, 12  # height of a row and of a bar
LETTER = 6.2  # width of a digit
TICKS = 12  # about this many ticks at most on the axis
MOST = 400  # tracks that are drawn

# Hues of one lightness; neighbouring numbers get very different ones. The contrast is 3 or more for black text on them,
# and for the colours on white, on black and on the two backgrounds of the page.
COLOURS = (
    *("#4c93f0", "#d9741a", "#2fa866", "#d769b8", "#8f9a1d", "#8a82f2"),
    *("#e0655f", "#16a3a0", "#b57fd9", "#b18a1c", "#2a9fd0", "#5fa32f"),
)


def track_colour(label: int) -> str:
    """Return the colour of a track, "#rrggbb", in the tree and in pictures."""
    return COLOURS[(label - 1) % len(COLOURS)]


class Bar(NamedTuple):
    """A track: its rectangle, colour and text, in CSS pixels from the tree's upper left corner.

    Attributes
    ----------
    label : int
    x, y, width : float
        ``y`` is the middle of its height.
    colour : str
    text_x : float
        Where its number stands.
    anchor : {"start", "end"}
        Which end of the number stands there.
    inside : bool
        Whether the number stands in the bar.
    words : str
        The text about it.
    jumps : tuple of float
        Where along x it jumps.
    divides, short : bool
        As :class:`unetpipe.tracking.measuring.MeasuredTrack` has them.
    """

    label: int
    x: float
    y: float
    width: float
    colour: str
    text_x: float
    anchor: str
    inside: bool
    words: str
    jumps: tuple[float, ...]
    divides: bool
    short: bool


class Link(NamedTuple):
    """A line from a parent to a child, as SVG path data; dashed over a gap."""

    path: str
    gap: bool


class Tree(NamedTuple):
    """A lineage tree.

    Attributes
    ----------
    height : int
        In CSS pixels; the width is WIDTH.
    bars : tuple of Bar
    links : tuple of Link
    ticks : tuple of (float, int)
        Place and frame number of each mark on the axis.
    left_out : int
        Tracks that are not drawn.
    """

    height: int
    bars: tuple[Bar, ...]
    links: tuple[Link, ...]
    ticks: tuple[tuple[float, int], ...]
    left_out: int


def lay_out_tree(tracks: Sequence[MeasuredTrack], frames: int, most: int = MOST) -> Tree:
    """Lay out the tree of a sequence.

    A track that ends without children has its own row; a parent is in the middle of its children. Families
    follow each other by the frame in which they begin. Of more than ``most`` tracks, whole families are left out, those
    without divisions first.

    Parameters
    ----------
    tracks : sequence of MeasuredTrack
        All tracks; parents are among them.
    frames : int
        Number of frames of the sequence.
    most : int
        Tracks that are drawn at most.

    Examples
    --------
    >>> from unetpipe.io.track_tables import Track
    >>> def measured(track, *children):
    ...     return MeasuredTrack(track, children, 9.0, 0.0, 0.0, (), False)
    >>> daughters = measured(Track(2, 2, 3, 1)), measured(Track(3, 2, 3, 1))
    >>> tree = lay_out_tree([measured(Track(1, 0, 1), 2, 3), *daughters], frames=4)
    >>> [bar.y for bar in tree.bars]
    [41.0, 32.5, 49.5]
    """
    by_label = {measured.track.label: measured for measured in tracks}
    families = [_family(measured, by_label) for measured in tracks if not measured.track.parent]
    families.sort(key=lambda family: (not any(measured.divides for measured in family), family[0].track.begin))
    drawn: list[list[MeasuredTrack]] = []
    for family in families:
        if sum(map(len, drawn)) + len(family) <= most:
            drawn.append(family)
    drawn.sort(key=lambda family: (family[0].track.begin, family[0].track.label))
    rows = _rows(drawn)
    step = (WIDTH - LEFT - RIGHT) / max(frames, 1)

    def place_x(frame: int) -> float:
        return round(LEFT + step * frame, 1)

    def place_y(label: int) -> float:
        return round(TOP + ROW * (rows[label] + 0.5), 1)

    bars, links = [], []
    for measured in (measured for family in drawn for measured in family):
        track = measured.track
        x, width, y = place_x(track.begin), round(step * measured.length, 1), place_y(track.label)
        inside = width >= LETTER * len(str(track.label)) + 6
        before = bool(measured.children) and not inside
        bars.append(
            Bar(
                label=track.label,
                x=x,
                y=y,
                width=max(width, 2),
                colour=track_colour(track.label),
                text_x=x - 3 if before else x + (4 if inside else width + 3),
                anchor="end" if before else "start",
                inside=inside,
                words=describe_track(measured),
                jumps=tuple(place_x(frame) for frame in measured.jumps),
                divides=measured.divides,
                short=measured.short,
            )
        )
        for child in measured.children:
            begin, end = by_label[child].track.begin, place_x(track.end + 1)
            links.append(Link(f"M{end} {y}V{place_y(child)}H{place_x(begin)}", by_label[child].gap > 0))
    height = round(TOP + ROW * (max(rows.values(), default=0) + 1) + BOTTOM)
    ticks = tuple((round(place_x(frame) + step / 2, 1), frame) for frame in range(0, frames, _tick_step(frames)))
    return Tree(height, tuple(bars), tuple(links), ticks, len(tracks) - len(bars))


def describe_track(measured: MeasuredTrack) -> str:
    """Say in one line what a track is.

    Examples
    --------
    >>> from unetpipe.io.track_tables import Track
    >>> describe_track(MeasuredTrack(Track(4, 2, 9, 1), (7, 8), 120.0, 31.2, 10.0, (5,), False))
    'track 4: frames 2 to 9, from track 1, divides into 7 and 8, jumps in frame 5'
    """
    track = measured.track
    when = f"frames {track.begin} to {track.end}" if track.end > track.begin else f"frame {track.begin}"
    words = [f"track {track.label}: {when}"]
    if track.parent:
        words.append(f"continues track {track.parent}" if measured.gap else f"from track {track.parent}")
    if measured.divides:
        words.append(f"divides into {listed(measured.children)}")
    if measured.jumps:
        words.append(f"jumps in frame{'s' if len(measured.jumps) > 1 else ''} {listed(measured.jumps)}")
    if measured.short:
        words.append("short")
    return ", ".join(words)


def listed(numbers: Sequence[int]) -> str:
    """List numbers in words.

    Examples
    --------
    >>> listed([3]), listed([3, 4, 5])
    ('3', '3, 4 and 5')
    """
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last


def _family(root: MeasuredTrack, by_label: dict[int, MeasuredTrack]) -> list[MeasuredTrack]:
    """Return a track and all that come from it, each before its children."""
    family, todo = [], [root]
    while todo:
        measured = todo.pop()
        family.append(measured)
        todo += [by_label[child] for child in reversed(measured.children)]
    return family


def _rows(families: Sequence[Sequence[MeasuredTrack]]) -> dict[int, float]:
    """Return the row of each track, from 0; those without children have rows of their own."""
    rows: dict[int, float] = {}
    free = 0.0
    for family in families:
        for measured in family:
            if not measured.children:
                rows[measured.track.label] = free
                free += 1
        for measured in reversed(family):  # children before their parents
            if measured.children:
                rows[measured.track.label] = sum(rows[child] for child in measured.children) / len(measured.children)
        free += 0.3 if len(family) > 1 else 0  # a little room after a family
    return rows


def _tick_step(frames: int) -> int:
    """Return how many frames lie between two marks of the axis: 1, 2, 5, 10 and so on."""
    steps = (factor * 10**power for power in range(12) for factor in (1, 2, 5))
    return next(step for step in steps if frames <= step * TICKS)
