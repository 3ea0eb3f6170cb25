"""Every file of a set read once: what its frames are like, and what is wrong with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from unetpipe.datasets.cells import touching_cells
from unetpipe.datasets.layouts import check_same_size, read_truth
from unetpipe.datasets.masks import unnumbered_pieces
from unetpipe.datasets.paired_folders import NAME as PAIRED
from unetpipe.datasets.pixels import fit_for_network, is_grey, read_pixels
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError, stop
from unetpipe.scope import SEVERAL_CLASSES

logger = logging.getLogger(__name__)

DIM, BRIGHT = 0.5, 3.0  # standard deviations of a frame: contrast of dim cells, and of bright ones
DIM_SHARE, BRIGHT_SHARE = 0.05, 0.1  # of the cells; from there on, a set has both
SMALLEST_MEDIAN = 12  # px; a smaller median cell is more likely noise
MOST_GRADED = 0.05  # of the pixels at outlines; true masks have up to 0.005, those saved as JPEG from 0.12 on


class Frame(NamedTuple):
    """One frame: its ``record``, ``shape`` (C, H, W), ``dtype`` in the file, ``lowest`` and ``highest`` grey value.

    ``areas`` are its cells' sizes (px), ``touching`` the number that touch another, ``unknown`` the share of its
    pixels whose class is not known, ``background`` the share that is 0. ``contrasts`` are how much the cells' mean
    grey values differ from the background's median, in standard deviations of the frame (number of cells,).
    ``graded`` is the share of the pixels at outlines whose value lies between those on either side.
    ``unnumbered`` is in how many pieces a mask of numbered cells holds one value only, such as 255; else 0.
    ``grey_as_colours`` says that its file has three channels, which are equal.
    """

    record: Record
    shape: tuple[int, int, int]
    dtype: str
    lowest: float
    highest: float
    areas: np.ndarray
    touching: int
    unknown: float
    background: float = 1.0
    contrasts: np.ndarray = np.zeros(0)
    graded: float = 0.0
    unnumbered: int = 0
    grey_as_colours: bool = False

    @property
    def channels(self) -> int:
        """Number of channels of a network that suits the frame."""
        return 1 if self.grey_as_colours else self.shape[0]


class Survey(NamedTuple):
    """The frames of a set that can be read, in order."""

    frames: list[Frame]

    @property
    def areas(self) -> np.ndarray:
        """Sizes of all cells in pixels, (number of cells,)."""
        return np.concatenate([frame.areas for frame in self.frames]) if self.frames else np.zeros(0, int)

    @property
    def diameters(self) -> np.ndarray:
        """Diameters of discs of the cells' sizes in pixels, (number of cells,)."""
        return 2 * np.sqrt(self.areas / np.pi)

    @property
    def touching(self) -> float:
        """Share of the cells that touch another, 0 … 1."""
        return sum(frame.touching for frame in self.frames) / max(len(self.areas), 1)

    @property
    def unknown(self) -> float:
        """Share of the pixels whose class is not known, 0 … 1."""
        pixels = [frame.shape[1] * frame.shape[2] for frame in self.frames]
        return sum(frame.unknown * count for frame, count in zip(self.frames, pixels, strict=True)) / max(
            sum(pixels), 1
        )

    @property
    def dim(self) -> int:
        """Number of dim cells, whose contrast is below 0.5, in a set that has bright cells too; else 0."""
        contrasts = np.concatenate([frame.contrasts for frame in self.frames]) if self.frames else np.zeros(0)
        dim, bright = np.count_nonzero(contrasts < DIM), np.count_nonzero(contrasts > BRIGHT)
        both = dim >= DIM_SHARE * len(contrasts) and bright >= BRIGHT_SHARE * len(contrasts)
        return int(dim) if both else 0

    def warnings(self) -> list[str]:
        """Return a sentence for each sign that masks can be read but do not mean what was meant."""
        frames = [frame for frame in self.frames if len(frame.areas)]
        grey = [frame for frame in self.frames if frame.grey_as_colours and frame.shape[0] == 1]
        said = [_taken_as_grey(len(grey), len(self.frames), grey[0].record["image"])] if grey else []
        if not frames:
            return said
        if all(frame.background == 0 for frame in frames):
            said.append(
                "No pixel of any mask is 0, so there is no background. Background must be 0; ilastik, for instance, "
                "writes 1 for the first class and 2 for the second."
            )
        covering = sum(2 * frame.areas.max() > frame.shape[1] * frame.shape[2] for frame in frames)
        if 2 * covering > len(frames):
            said.append(
                f"In {covering} of {len(frames)} masks one cell covers more than half of the image. If that is the "
                "background, the masks are inverted: background must be 0."
            )
        graded = [frame.record["label"] for frame in frames if frame.graded > MOST_GRADED]
        median = float(np.median(self.areas))
        if graded:
            said.append(
                f"In {len(graded)} of {len(frames)} masks, such as {graded[0]}, grey values change gradually at the "
                "outlines, as in masks that were resized with interpolation or saved as JPEG; each value would be "
                "a cell or a class. Resize masks by nearest neighbour, and save them as PNG or TIFF."
            )
        elif median < SMALLEST_MEDIAN:
            said.append(
                f"The median cell has only {median:g} pixels. If these are not cells, look at the values of the masks: "
                "each is a cell or a class."
            )
        unnumbered = [frame for frame in frames if frame.unnumbered]
        if unnumbered:
            said.append(
                f"In {len(unnumbered)} of {len(frames)} masks, such as {unnumbered[0].record['label']}, all cells have "
                f"one value, in {unnumbered[0].unnumbered} pieces there, and count as one cell. Number the "
                f"cells{', or set masks=classes' if unnumbered[0].record.get('layout') == PAIRED else ''}."
            )
        if any(frame.record.get("masks") == "classes" and frame.record.get("layout") == PAIRED for frame in frames):
            said.append(
                f"The values of the masks look like classes, and training makes one class of them. {SEVERAL_CLASSES} "
                "If each value is a cell, set masks=instances."
            )
        return said


def survey(records: Sequence[Record], channels: int | None = None, complain: Callable[[str], None] = stop) -> Survey:
    """Read images and truth of records as training will.

    Parameters
    ----------
    records : sequence of Record
        As :func:`unetpipe.datasets.find_records` lists them.
    channels : int, optional
        Channels that the network takes; images of another number are wrong.
    complain : callable
        Given one sentence for each thing that is wrong; by default raises InputError at the first.
    """
    constant = _ConstantFiles()
    frames = []
    for record in records:
        try:
            pixels = read_pixels(record)
            image = fit_for_network(pixels, channels, record["image"])
            constant.add(record["image"], image)
            label, known = read_truth(record)
            check_same_size(record, label, image.shape)
        except InputError as error:
            complain(str(error))
            continue
        frame = Frame(
            record=record,
            shape=image.shape,
            dtype=str(image.dtype),
            lowest=float(image.min()),
            highest=float(image.max()),
            areas=np.unique(label[label > 0], return_counts=True)[1],
            touching=len(touching_cells(label)),
            unknown=1 - float(known.mean()),
            background=float((label == 0).mean()),
            contrasts=cell_contrasts(image, label, known),
            graded=_graded(label),
            unnumbered=unnumbered_pieces(label) if record.get("masks", "instances") == "instances" else 0,
            grey_as_colours=len(pixels) == 3 and is_grey(pixels),
        )
        frames.append(frame)
    constant.report(complain)
    return Survey(frames)


def cell_contrasts(image: np.ndarray, label: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return how much each cell differs from the background.

    Parameters
    ----------
    image : ndarray
        (C, H, W), grey values; their mean over the channels counts.
    label : ndarray
        (H, W), integer: cells.
    known : ndarray
        (H, W), bool: where ``label`` is known.

    Returns
    -------
    ndarray
        (number of cells,): the cell's mean minus the median of the known background, without sign, in standard
        deviations of the image; 0 where there is no background.

    Examples
    --------
    >>> image = np.array([[[1.0, 1, 3, 5]]])
    >>> cell_contrasts(image, np.array([[0, 0, 7, 9]]), np.ones((1, 4), bool)).round(2)
    array([1.21, 2.41])
    """
    grey = image.mean(axis=0)
    cells = np.unique(label[label > 0])
    background = grey[known & (label == 0)]
    if not len(background) or grey.std() == 0:
        return np.zeros(len(cells))
    means = ndimage.mean(grey, label, cells)
    return np.abs(means - np.median(background)) / grey.std()


def _graded(label: np.ndarray) -> float:
    """Return which share of the pixels at outlines of (H, W) have a value between those before and after them.

    Labels of cells jump from one value to another. Only in a cell one pixel wide may a value lie between others.
    """
    between, outline = np.zeros(label.shape, bool), np.zeros(label.shape, bool)
    for axis in (0, 1):
        values, lies_between, differs = (np.moveaxis(part, axis, 0) for part in (label, between, outline))
        before, here, after = values[:-2], values[1:-1], values[2:]
        lies_between[1:-1] |= ((before < here) & (here < after)) | ((before > here) & (here > after))
        differs[1:-1] |= (before != here) | (here != after)
    return float(between.sum()) / max(int(outline.sum()), 1)


def check_images(
    records: Sequence[Record], channels: int | None = None, complain: Callable[[str], None] = stop
) -> None:
    """Read the images of records (:func:`unetpipe.datasets.find_images`) as inference will; parameters as in survey.

    A warning names images of three equal channels, if the network takes grey ones.
    """
    constant = _ConstantFiles()
    grey = []
    for record in records:
        try:
            pixels = read_pixels(record)
            image = fit_for_network(pixels, channels, record["image"])
            constant.add(record["image"], image)
            if len(image) < len(pixels):
                grey.append(record["image"])
        except InputError as error:
            complain(str(error))
    constant.report(complain)
    if grey:
        logger.warning(_taken_as_grey(len(grey), len(records), grey[0]))


def _taken_as_grey(number: int, of: int, first: str) -> str:
    return (
        f"In {number} of {of} images the three channels are equal, such as {first}: they are grey, and one channel is "
        "taken."
    )


class _ConstantFiles:
    """Files all of whose pages are constant; an empty slice in a volume is nothing unusual."""

    def __init__(self) -> None:
        self.constant: dict[str, bool] = {}

    def add(self, path: str, image: np.ndarray) -> None:
        self.constant[path] = self.constant.get(path, True) and bool(image.min() == image.max())

    def report(self, complain: Callable[[str], None]) -> None:
        for path, constant in self.constant.items():
            if constant:
                complain(f"{path} is constant: all its pixels are alike, so there is nothing to find in it.")
