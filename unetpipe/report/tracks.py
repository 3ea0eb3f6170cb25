"""The tracks of a sequence for the report: the tree, pictures in the colours of the tracks, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unetpipe.datasets.ctc import numbered_files
from unetpipe.datasets.results import TRACK_TABLE, read_mask, result_masks
from unetpipe.errors import InputError
from unetpipe.io import read_image
from unetpipe.io.track_tables import read_tracks
from unetpipe.report.gallery import centre, object_paths, picture_uri
from unetpipe.report.lineage import Tree, lay_out_tree, listed, track_colour
from unetpipe.report.pictures import stretched
from unetpipe.tracking.measuring import MeasuredTrack, TrackMeasures

PICTURES = 4  # whole frames, spread over the sequence
LONGEST_SIDE = 640  # px of such a picture; every n-th pixel of a larger frame is shown
SHOWN = 24  # findings with pictures
MARGIN = 0.4  # of the size of the cells, around them in a picture
SMALLEST_SIDE = 48  # px of a picture of a finding
LETTERS, LARGE_LETTERS = 0.035, 0.08  # size of the numbers in a whole frame and in a finding, of the longer side
KINDS = {"division": "division", "jump": "jump", "gap": "closed gap", "short": "short track"}


class Finding(NamedTuple):
    """Something to look at: what kind, in words, and the frames and tracks that show it."""

    kind: str
    words: str
    frames: tuple[int, ...]
    tracks: tuple[int, ...]


class Cell(NamedTuple):
    """A cell in a picture: its outline as SVG path data in half pixels, and where its number stands."""

    label: int
    path: str
    colour: str
    place: tuple[int, int]


class Picture(NamedTuple):
    """A frame, or a part of it, with its cells; ``uri`` is None without an image."""

    frame: int
    uri: str | None
    height: int
    width: int
    cells: tuple[Cell, ...]
    letter: int


class Lineage(NamedTuple):
    """What the report shows of tracks.

    Attributes
    ----------
    tracks, frames : int
        Their numbers.
    tree : Tree
    counts : dict of str to int
        Findings of each kind (:data:`KINDS`).
    findings : tuple of (Finding, tuple of Picture)
        What to look at, with pictures of the first ones of each kind.
    pictures : tuple of Picture
        Whole frames.
    """

    tracks: int
    frames: int
    tree: Tree
    counts: dict[str, int]
    findings: tuple[tuple[Finding, tuple[Picture, ...]], ...]
    pictures: tuple[Picture, ...]


def read_lineage(result: Path, images: Path | None = None) -> Lineage:
    """Read the linked masks of a folder, and prepare what the report shows of their tracks.

    Parameters
    ----------
    result : Path
        Folder of ``maskNNN.tif`` and ``res_track.txt``.
    images : Path, optional
        Folder of ``tNNN.tif``; cells of frames without an image are drawn on black.

    Raises
    ------
    InputError
        If a file cannot be read, the track table does not fit the masks, or an image differs in size from its mask.
    """
    masks = result_masks(result)
    measures = TrackMeasures()
    for path in masks.values():
        measures.add(read_mask(path))
    measured = measures.measure(read_tracks(result / TRACK_TABLE), str(result / TRACK_TABLE))
    findings = find_findings(measured)
    draw = _Drawing(masks, {} if images is None else numbered_files(images, r"t(\d{3,})\.tiff?"))
    shown = _first_of_each_kind(findings)
    whole = sorted({round(frame) for frame in np.linspace(0, measures.frames - 1, PICTURES)})
    return Lineage(
        tracks=len(measured),
        frames=measures.frames,
        tree=lay_out_tree(measured, measures.frames),
        counts={kind: sum(finding.kind == kind for finding in findings) for kind in KINDS},
        findings=tuple((finding, draw.finding(finding) if finding in shown else ()) for finding in findings),
        pictures=tuple(draw.frame(frame) for frame in whole),
    )


def find_findings(measured: Sequence[MeasuredTrack]) -> list[Finding]:
    """List divisions, jumps, gaps and short tracks, in this order, each kind in the order of time.

    Examples
    --------
    >>> from unetpipe.io.track_tables import Track
    >>> track = MeasuredTrack(Track(4, 2, 4), (), 120.0, 31.2, 10.0, (4,), True)
    >>> [finding.words for finding in find_findings([track])]
    ['track 4 jumps to frame 4', 'track 4 lives 3 frames, 2 to 4']
    """
    begins = {each.track.label: each.track.begin for each in measured}
    found = []
    for each in measured:
        label, begin, end, parent = each.track
        if each.divides:
            words = f"track {label} divides after frame {end} into {listed(each.children)}"
            born = max(begins[child] for child in each.children)
            found.append(Finding("division", words, (end, born), (label, *each.children)))
        for frame in each.jumps:
            found.append(Finding("jump", f"track {label} jumps to frame {frame}", (frame - 1, frame), (label,)))
        if each.gap:
            words = f"track {label} continues track {parent} after {_frames(each.gap)} without it"
            found.append(Finding("gap", words, (begin - each.gap - 1, begin), (parent, label)))
        if each.short:
            span = f"{_frames(each.length)}, {begin} to {end}" if end > begin else f"only in frame {begin}"
            found.append(Finding("short", f"track {label} lives {span}", (begin, end + 1), (label,)))
    order = list(KINDS)
    return sorted(found, key=lambda finding: (order.index(finding.kind), finding.frames))


def _frames(number: int) -> str:
    return f"{number} frame{'s' if number > 1 else ''}"


def _first_of_each_kind(findings: Sequence[Finding]) -> set[Finding]:
    """Choose the findings that get pictures: as many of one kind as of the others, as far as there are any."""
    by_kind = [[finding for finding in findings if finding.kind == kind] for kind in KINDS]
    turns = (kind[turn] for turn in range(max(map(len, by_kind))) for kind in by_kind if turn < len(kind))
    return {finding for finding, _ in zip(turns, range(SHOWN), strict=False)}


class _Drawing:
    """Draws cells in the colours of their tracks."""

    def __init__(self, masks: Mapping[int, Path], images: Mapping[int, Path]) -> None:
        self.masks = masks
        self.images = images

    def frame(self, frame: int) -> Picture:
        """Draw a whole frame."""
        labels, image = self._read(frame)
        step = -(-max(labels.shape) // LONGEST_SIDE)
        return self._draw(frame, labels[::step, ::step], None if image is None else image[::step, ::step], LETTERS)

    def finding(self, finding: Finding) -> tuple[Picture, ...]:
        """Draw the cells of a finding, in each of its frames."""
        parts = [(frame, *self._read(frame)) for frame in finding.frames]
        window = _window([labels for _, labels, _ in parts], finding.tracks)
        return tuple(
            self._draw(frame, labels[window], None if image is None else image[window], LARGE_LETTERS)
            for frame, labels, image in parts
        )

    def _read(self, frame: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the labels (H, W) and the picture (H, W, 3), uint8, of a frame."""
        labels = read_mask(self.masks[frame])
        if frame not in self.images:
            return labels, None
        image = read_image(self.images[frame])
        if image.shape[1:] != labels.shape:
            raise InputError(
                f"{self.images[frame]} is {image.shape[1:]} pixels, its mask is {labels.shape}; they must be alike."
            )
        return labels, stretched(image)

    def _draw(self, frame: int, labels: np.ndarray, picture: np.ndarray | None, letters: float) -> Picture:
        cells = tuple(
            Cell(label, path, track_colour(label), centre(labels == label))
            for label, path in object_paths(labels).items()
        )
        height, width = labels.shape
        uri = None if picture is None else picture_uri(picture)
        return Picture(frame, uri, height, width, cells, letter=round(2 * letters * max(height, width)))


def _window(maps: Sequence[np.ndarray], tracks: Sequence[int]) -> tuple[slice, slice]:
    """Return a square around the cells of some tracks, as far as the image reaches."""
    ys, xs = np.nonzero(np.logical_or.reduce([np.isin(labels, tracks) for labels in maps]))
    side = max(np.ptp(ys), np.ptp(xs)) + 1
    half = max(side * (1 + 2 * MARGIN), SMALLEST_SIDE) / 2
    middles = (ys.min() + ys.max()) / 2, (xs.min() + xs.max()) / 2
    rows, columns = (slice(max(round(middle - half), 0), max(round(middle + half), 0) + 1) for middle in middles)
    return rows, columns
