"""Find the mistakes in the frames of a report, keep the worst frames, and prepare them for the page."""

from __future__ import annotations

import base64
import heapq
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours

from unetpipe.io.images import count_pages
from unetpipe.report.mistakes import FrameMistakes, find_mistakes
from unetpipe.report.pictures import outlines, stretched

SHOWN = 12  # frames that are kept with their pixels
LONGEST_SIDE = 768  # px; a larger image is cut to the window with the most mistakes
MOST_OUTLINE = 40_000  # px of outline in a window; more would hide the image, and fill megabytes
SMALLEST_SIDE = 64  # px of a window
JPEG_QUALITY = 82
SYMBOLS = {"missed": "−", "merged": "M", "split": "S", "invented": "+"}


@dataclass(frozen=True)
class ScoredFrame:
    """The result of a frame, its truth, and its image if there is one.

    Attributes
    ----------
    name : str
        The name that is shown, such as "01/t039.tif".
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    image : ndarray, optional
        (C, H, W), any dtype.
    known : ndarray, optional
        (H, W), bool: where the truth is known; by default everywhere.
    """

    name: str
    truth: np.ndarray
    result: np.ndarray
    image: np.ndarray | None = None
    known: np.ndarray | None = None


@dataclass(frozen=True)
class JudgedFrame:
    """The name of a frame and its mistakes, without pixels."""

    name: str
    mistakes: FrameMistakes


class Gallery:
    """Collect the frames of a result, and keep the pixels of the worst ones.

    Parameters
    ----------
    frames : iterable of ScoredFrame
        Frames to begin with; more can be added later.
    shown : int
        How many frames are kept with their pixels.

    Attributes
    ----------
    judged : list of JudgedFrame
        Every frame, in the order in which it was added.
    """

    def __init__(self, frames: Iterable[ScoredFrame] = (), shown: int = SHOWN) -> None:
        self.shown = shown
        self.judged: list[JudgedFrame] = []
        self._worst: list[tuple[float, int, ScoredFrame, FrameMistakes]] = []
        for frame in frames:
            self.add(frame)

    def add(self, frame: ScoredFrame) -> None:
        """Find the mistakes of a frame; keep its pixels if it is among the worst so far."""
        mistakes = find_mistakes(frame.truth, frame.result, frame.known)
        self.judged.append(JudgedFrame(frame.name, mistakes))
        # of equally bad frames, the first one counts as worse
        self._keep((-mistakes.quality, -len(self.judged), frame, mistakes))

    def take_over(self, other: Gallery) -> None:
        """Add the frames of another gallery, such as that of another process."""
        before = len(self.judged)
        self.judged += other.judged
        for quality, number, frame, mistakes in other._worst:
            self._keep((quality, number - before, frame, mistakes))

    def _keep(self, entry: tuple[float, int, ScoredFrame, FrameMistakes]) -> None:
        (heapq.heappush if len(self._worst) < self.shown else heapq.heappushpop)(self._worst, entry)

    @property
    def worst(self) -> list[tuple[ScoredFrame, FrameMistakes]]:
        """The frames that are shown, worst first (:attr:`unetpipe.report.mistakes.FrameMistakes.quality`)."""
        return [(frame, mistakes) for _, _, frame, mistakes in sorted(self._worst, key=lambda entry: entry[:2])[::-1]]

    @property
    def jaccards(self) -> list[float]:
        """The Jaccard index of every cell."""
        return [jaccard for frame in self.judged for jaccard in frame.mistakes.jaccards]

    @property
    def seg(self) -> float | None:
        """The mean Jaccard index of all cells; None without any."""
        jaccards = self.jaccards
        return sum(jaccards) / len(jaccards) if jaccards else None

    @property
    def counts(self) -> dict[str, int]:
        """How many cells of all frames are missed, merged and split, and how many objects are invented."""
        total = dict.fromkeys(("missed", "merged", "split", "invented"), 0)
        for frame in self.judged:
            for kind, count in frame.mistakes.counts.items():
                total[kind] += count
        return total


def frame_name(image: str | os.PathLike, page: int | None = None) -> str:
    """Name a frame by its image's folder and file, "01/t039.tif", and by its page in a file of several."""
    path = Path(image)
    where = f", page {page}" if page is not None and count_pages(path) > 1 else ""
    return f"{path.parent.name}/{path.name}{where}"


class Shape(NamedTuple):
    """An object with a mistake.

    Attributes
    ----------
    kind : str
        Of the mistake: a key of SYMBOLS.
    path : str
        The outline as SVG path data, in half pixels.
    words : str
        What is wrong.
    symbol : str
        The letter or sign that marks the object.
    places : tuple of (int, int)
        Where the symbol stands: (x, y) in half pixels.
    """

    kind: str
    path: str
    words: str
    symbol: str
    places: tuple[tuple[int, int], ...]


class View(NamedTuple):
    """What the page shows of a frame. Paths and the size of the letters are in half pixels of the window."""

    name: str
    mistakes: FrameMistakes
    picture: str | None
    height: int
    width: int
    window: str
    truth: str
    result: str
    unknown: str
    shapes: tuple[Shape, ...]
    letter: int


def make_view(frame: ScoredFrame, mistakes: FrameMistakes) -> View:
    """Cut out the window that is shown, encode its picture, and find the outlines of the objects in it."""
    rows, columns = _window(frame, mistakes)
    truth, result = frame.truth[rows, columns], frame.result[rows, columns]
    height, width = truth.shape
    window = ""
    if truth.shape != frame.truth.shape:
        window = (
            f"the {width} × {height} pixels with the most mistakes, from column {columns.start} and row {rows.start}, "
            f"of {frame.truth.shape[1]} × {frame.truth.shape[0]}"
        )
    cells, objects = object_paths(truth), object_paths(result)
    unknown = "" if frame.known is None else outline_path(~frame.known[rows, columns])
    return View(
        name=frame.name,
        mistakes=mistakes,
        picture=None if frame.image is None else picture_uri(stretched(frame.image)[rows, columns]),
        height=height,
        width=width,
        window=window,
        truth="".join(cells.values()),
        result="".join(objects.values()),
        unknown=unknown,
        shapes=tuple(_shapes(mistakes, truth, result, cells, objects)),
        letter=_letter_size(truth if cells else result),
    )


def picture_uri(picture: np.ndarray) -> str:
    """Encode a picture (H, W, 3), uint8, as a ``data:`` URI."""
    encoded = io.BytesIO()
    grey = (picture == picture[..., :1]).all()
    Image.fromarray(picture[..., 0] if grey else picture).save(encoded, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")


def _shapes(
    mistakes: FrameMistakes,
    truth: np.ndarray,
    result: np.ndarray,
    cells: dict[int, str],
    objects: dict[int, str],
) -> list[Shape]:
    """List the mistakes that the window shows; those that are drawn below others come first."""
    shapes = []
    for merge in mistakes.merged:
        if merge.result in objects:
            words = f"merged: cells {_ids(merge.cells)} are one object, {merge.result}"
            places = [centre(truth == cell) for cell in merge.cells if cell in cells]
            shapes.append(Shape("merged", objects[merge.result], words, f"M{len(merge.cells)}", tuple(places)))
    one_letter: list[tuple[str, str, str, int, np.ndarray, dict[int, str]]] = []
    for split in mistakes.split:
        words = f"split: cell {split.cell} lies in objects {_ids(split.pieces)}"
        one_letter.append(("split", words, f"S{len(split.pieces)}", split.cell, truth, cells))
    for cell in mistakes.missed:
        one_letter.append(("missed", f"missed: cell {cell}", SYMBOLS["missed"], cell, truth, cells))
    for found in mistakes.invented:
        one_letter.append(("invented", f"invented: object {found}", SYMBOLS["invented"], found, result, objects))
    return shapes + [
        Shape(kind, paths[number], words, symbol, (centre(labels == number),))
        for kind, words, symbol, number, labels, paths in one_letter
        if number in paths
    ]


def _letter_size(labels: np.ndarray) -> int:
    """Choose the size of the letters so that they can be read and do not hide the median object."""
    sizes = np.unique(labels[labels > 0], return_counts=True)[1]
    side = max(labels.shape)
    wanted = 0.4 * np.sqrt(np.median(sizes)) if len(sizes) else 0
    return round(2 * min(max(wanted, 0.018 * side), 0.036 * side))


def _ids(numbers: tuple[int, ...]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last


def _window(frame: ScoredFrame, mistakes: FrameMistakes) -> tuple[slice, slice]:
    """Choose the window that is shown: the whole image if it is small enough, else where most pixels are wrong."""
    cells = [*mistakes.missed, *(split.cell for split in mistakes.split)]
    objects = [*mistakes.invented, *(merge.result for merge in mistakes.merged)]
    wrong = np.isin(frame.truth, cells) | np.isin(frame.result, objects)
    edges = outlines(frame.truth).astype(np.int64) + outlines(frame.result)
    side = LONGEST_SIDE
    while True:
        box = _fullest(wrong if wrong.any() else frame.truth > 0, side)
        if edges[box].sum() <= MOST_OUTLINE or side <= SMALLEST_SIDE:
            return box
        side //= 2


def _fullest(mask: np.ndarray, side: int) -> tuple[slice, slice]:
    """Return the window of at most ``side`` × ``side`` pixels that holds the most pixels of a mask (H, W)."""
    height, width = (min(length, side) for length in mask.shape)
    sums = np.pad(mask, ((1, 0), (1, 0))).cumsum(0, dtype=np.int64).cumsum(1)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return slice(int(y), int(y) + height), slice(int(x), int(x) + width)


def outline_path(mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> str:
    """Return the outline of a mask as SVG path data, in half pixels, so that all numbers are integers.

    Parameters
    ----------
    mask : ndarray
        (H, W), bool. The outline runs half-way between set pixels and unset ones; holes have outlines too.
    origin : (int, int)
        Row and column of the first pixel of the mask.

    Returns
    -------
    str
        Closed polygons, each ``M x y l dx dy … z``; empty for an empty mask.

    Examples
    --------
    >>> outline_path(np.array([[True]]))
    'M1 2l-1 -1 1 -1 1 1z'
    """
    # the first pixel of the padding has its centre at -1/2 in an image whose first pixel begins at 0
    contours = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    return "".join(_polygon((2 * (points[:-1] + origin) - 1).astype(int)[:, ::-1]) for points in contours)


def object_paths(labels: np.ndarray) -> dict[int, str]:
    """Return the outline of each object of an instance map (H, W), by id; 0 is background."""
    ids, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape)
    boxes = ndimage.find_objects(places + 1)  # + 1: find_objects skips 0, and the first id may be that of an object
    return {
        int(number): outline_path(places[box] == index, (box[0].start, box[1].start))
        for index, (number, box) in enumerate(zip(ids, boxes, strict=True))
        if number
    }


def centre(mask: np.ndarray) -> tuple[int, int]:
    """Return (x, y), in half pixels, of the pixel farthest from the edge of a mask (H, W), where a letter fits."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    depth = ndimage.distance_transform_edt(np.pad(mask[box], 1))
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return 2 * (box[1].start + int(x)) - 1, 2 * (box[0].start + int(y)) - 1


def _polygon(points: np.ndarray) -> str:
    """Write the points (n, 2) of a closed polygon, without those on a straight line between their neighbours."""
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    corner = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    points = points[corner]
    steps = " ".join(f"{x} {y}" for x, y in np.diff(points, axis=0))
    return f"M{points[0, 0]} {points[0, 1]}l{steps}z"
