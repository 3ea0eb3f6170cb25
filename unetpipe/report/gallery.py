"""The frames of a report: every frame is judged as it comes, and the worst ones are kept to be shown."""

from __future__ import annotations

import base64
import heapq
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import itk
import numpy as np
from PIL import Image
from scipy import ndimage

from unetpipe.io.images import count_pages
from unetpipe.report.mistakes import FrameMistakes, find_mistakes
from unetpipe.report.pictures import outlines, stretched

SHOWN = 12


@dataclass(frozen=True)
class ScoredFrame:
    """A result beside its truth, and the image if there is one.

    Attributes
    ----------
    name : str
        As a reader knows the frame, such as "01/t039.tif".
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
    """What remains of a frame that is not shown: its name and its mistakes."""

    name: str
    mistakes: FrameMistakes


class Gallery:
    """Collect the frames of a result; of those that are not among the worst no pixels are kept.

    Parameters
    ----------
    frames : iterable of ScoredFrame
        More can be added later.
    shown : int
        How many frames are kept with their pixels.

    Attributes
    ----------
    judged : list of JudgedFrame
        Every frame, in the order of coming.
    """

    def __init__(self, frames: Iterable[ScoredFrame] = (), shown: int = SHOWN) -> None:
        self.shown = shown
        self.judged: list[JudgedFrame] = []
        self._worst: list[tuple[float, int, ScoredFrame, FrameMistakes]] = []
        for frame in frames:
            self.add(frame)

    def add(self, frame: ScoredFrame) -> None:
        """Judge a frame; keep its pixels if it is among the worst so far."""
        mistakes = find_mistakes(frame.truth, frame.result, frame.known)
        self.judged.append(JudgedFrame(frame.name, mistakes))
        # the number settles ties, for the frame that came first
        self._keep((-mistakes.quality, -len(self.judged), frame, mistakes))

    def take_over(self, other: Gallery) -> None:
        """Add the frames of another gallery, which another process has judged."""
        before = len(self.judged)
        self.judged += other.judged
        for quality, number, frame, mistakes in other._worst:
            self._keep((quality, number - before, frame, mistakes))

    def _keep(self, entry: tuple[float, int, ScoredFrame, FrameMistakes]) -> None:
        (heapq.heappush if len(self._worst) < self.shown else heapq.heappushpop)(self._worst, entry)

    @property
    def worst(self) -> list[tuple[ScoredFrame, FrameMistakes]]:
        """The frames that are shown, the worst first (:attr:`unetpipe.report.mistakes.FrameMistakes.quality`)."""
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


LONGEST_SIDE = 768  # px; of a larger image the window with the most mistakes is shown
MOST_OUTLINE = 40_000  # px of outline in a window; more would be no picture, and megabytes of paths
SMALLEST_SIDE = 64
JPEG_QUALITY = 82
SYMBOLS = {"missed": "−", "merged": "M", "split": "S", "invented": "+"}


class Shape(NamedTuple):
    """An object with a mistake: its kind, outline (in half pixels), words, and a letter with its places (x, y)."""

    kind: str
    path: str
    words: str
    symbol: str
    places: tuple[tuple[int, int], ...]


class View(NamedTuple):
    """What the page shows of a frame; paths and the letters' size are in half pixels of the window."""

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
    """Cut out the window that is shown, encode its picture, and trace the objects in it."""
    rows, columns = _window(frame, mistakes)
    truth, result = frame.truth[rows, columns], frame.result[rows, columns]
    height, width = truth.shape
    window = ""
    if truth.shape != frame.truth.shape:
        window = (
            f"the {width} × {height} pixels with the most mistakes, from column {columns.start} and row {rows.start} "
            f"on, of {frame.truth.shape[1]} × {frame.truth.shape[0]}"
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
    """List the mistakes of which something lies in the window, what is below others first."""
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
    """Choose letters that leave the median object visible and can be read."""
    sizes = np.unique(labels[labels > 0], return_counts=True)[1]
    side = max(labels.shape)
    wanted = 0.4 * np.sqrt(np.median(sizes)) if len(sizes) else 0
    return round(2 * min(max(wanted, 0.018 * side), 0.036 * side))


def _ids(numbers: tuple[int, ...]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last


def _window(frame: ScoredFrame, mistakes: FrameMistakes) -> tuple[slice, slice]:
    """Choose the window that is shown: all of the image if it is small enough, else where most pixels are wrong."""
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
    """Return the window of at most ``side`` pixels each way that holds most of a mask's (H, W) pixels."""
    height, width = (min(length, side) for length in mask.shape)
    sums = np.pad(mask, ((1, 0), (1, 0))).cumsum(0, dtype=np.int64).cumsum(1)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return slice(int(y), int(y) + height), slice(int(x), int(x) + width)


def outline_path(mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> str:
    """Return the outline of a mask as path data, in units of half a pixel so that all numbers are whole.

    Parameters
    ----------
    mask : ndarray
        (H, W), bool. The outline runs half-way between its pixels and those around them; holes have one too.
    origin : (int, int)
        Row and column of the mask's first pixel.

    Returns
    -------
    str
        Closed polygons, ``M x y l dx dy … z`` each; empty for an empty mask.
    """
    if not mask.any():
        return ""
    contours = itk.ContourExtractor2DImageFilter.New(itk.image_from_array(np.pad(mask, 1).astype(np.float32)))
    contours.SetContourValue(0.5)
    contours.Update()
    shift = np.array([origin[1], origin[0]]) - 0.5  # ITK counts from the centre of the padding's first pixel
    polygons = []
    for number in range(contours.GetNumberOfIndexedOutputs()):
        vertices = contours.GetOutput(number).GetVertexList()
        points = np.array([tuple(vertices.ElementAt(index)) for index in range(vertices.Size() - 1)])
        polygons.append(_polygon(np.rint(2 * (points + shift)).astype(int)))
    return "".join(polygons)


def object_paths(labels: np.ndarray) -> dict[int, str]:
    """Return the outline of each object of an instance map (H, W), by id; 0 is background."""
    ids, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape)
    boxes = ndimage.find_objects(places + 1)  # background may be absent: every id is an object here
    return {
        int(number): outline_path(places[box] == index, (box[0].start, box[1].start))
        for index, (number, box) in enumerate(zip(ids, boxes, strict=True))
        if number
    }


def centre(mask: np.ndarray) -> tuple[int, int]:
    """Return the (x, y) of a mask's (H, W) pixel that lies deepest in it, in half pixels: a place for a letter."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    depth = ndimage.distance_transform_edt(np.pad(mask[box], 1))
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return 2 * (box[1].start + int(x)) - 1, 2 * (box[0].start + int(y)) - 1


def _polygon(points: np.ndarray) -> str:
    """Write closed points (n, 2) without those that lie on a straight line between their neighbours."""
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    corner = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    points = points[corner]
    steps = " ".join(f"{x} {y}" for x, y in np.diff(points, axis=0))
    return f"M{points[0, 0]} {points[0, 1]}l{steps}z"
