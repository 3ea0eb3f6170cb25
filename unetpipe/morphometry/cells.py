"""Measure each cell of label maps: size, shape, intensity, confidence, neighbours, tracks; one row a cell.

References
----------
``skimage.measure.regionprops``: area, centroid, axes, orientation, eccentricity, solidity and perimeter are its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from skimage.measure import label

from unetpipe.errors import InputError
from unetpipe.io.track_tables import Track
from unetpipe.morphometry.shape import SHAPES, Columns, measure_shapes

LENGTHS = ("centroid_y", "centroid_x", "axis_major_length", "axis_minor_length", "perimeter")
COLUMNS = (
    "image",
    "page",
    "id",
    *SHAPES,
    "touches_edge",
    "neighbours",
    "pieces",
    "confidence",
    "track",
    "parent",
    "area_um2",
    *(f"{name}_um" for name in LENGTHS),
)
NEIGHBOUR_GAP = 3  # px of background that may lie between neighbours
BORDER = 2  # px around a cell whose certainty counts in its confidence
HIGHEST_TABLE = 2**24  # ids up to which a table of all of them is the fastest way to number them


class Cutout(NamedTuple):
    """A rectangle of a page that holds some of its cells whole.

    Attributes
    ----------
    labels : ndarray
        (h, w), integer: the ids of these cells, else 0.
    surroundings : ndarray
        (h, w), integer: the ids of all cells.
    top, left : int
        Where the rectangle lies in the page.
    pixels : ndarray or None
        (C, h, w): the image.
    probability : ndarray or None
        (h, w), 0 … 1.
    """

    labels: np.ndarray
    surroundings: np.ndarray
    top: int = 0
    left: int = 0
    pixels: np.ndarray | None = None
    probability: np.ndarray | None = None


@dataclass(frozen=True)
class LabelledPage:
    """A label map, with what is known of it; each of its cells is in one of its cutouts.

    Attributes
    ----------
    image : str
        What tables and other programs call the image, such as "01/t003.tif".
    size : (int, int)
        Height and width in pixels.
    cutouts : callable
        Yields the cutouts.
    page : int, optional
        Page of a file or frame of a sequence, from 0; None for a single image.
    name, stack : str
        How files begin that other programs get of this page, and of all pages of its file or sequence.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    tracks : mapping, optional
        Tracks by their label, which is the cells' id.
    confidence : mapping, optional
        Confidence by the cells' id, if the probability itself is not known.
    path : Path, optional
        The image's file.
    """

    image: str
    size: tuple[int, int]
    cutouts: Callable[[], Iterable[Cutout]]
    page: int | None = None
    name: str = "cells"
    stack: str = "cells"
    pixel_size: float | None = None
    tracks: Mapping[int, Track] | None = field(default=None, repr=False)
    confidence: Mapping[int, float] | None = field(default=None, repr=False)
    path: Path | None = None

    @classmethod
    def in_memory(
        cls,
        labels: np.ndarray,
        image: str = "",
        *,
        pixels: np.ndarray | None = None,
        probability: np.ndarray | None = None,
        **known: Any,
    ) -> LabelledPage:
        """Return the page of a label map that is in memory.

        Parameters
        ----------
        labels : ndarray
            (H, W), integer.
        image : str
            The image's name.
        pixels : ndarray, optional
            (H, W) or (C, H, W): the image.
        probability : ndarray, optional
            (H, W), 0 … 1.
        known
            Other attributes of the page.

        Raises
        ------
        InputError
            If the sizes differ.
        """
        if pixels is not None and pixels.ndim == 2:
            pixels = pixels[None]
        for what, other in (("The image", pixels), ("The probability", probability)):
            if other is not None and other.shape[-2:] != labels.shape:
                raise InputError(
                    f"{what} of {image or 'the labels'} is {other.shape[-2]}×{other.shape[-1]} pixels (height × "
                    f"width), its mask is {labels.shape[0]}×{labels.shape[1]}; they must be equal."
                )
        cutout = Cutout(labels, labels, pixels=pixels, probability=probability)
        return cls(image, labels.shape, lambda: [cutout], **known)


def measure_cells(
    labels: np.ndarray,
    pixels: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    pixel_size: float | None = None,
    tracks: Iterable[Track] | None = None,
) -> Columns:
    """Measure every cell of a label map.

    Parameters
    ----------
    labels : ndarray
        (H, W), integer: 0 background, else the cell's id.
    pixels : ndarray, optional
        (H, W) or (C, H, W): the image.
    probability : ndarray, optional
        (H, W), 0 … 1: the network's.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    tracks : iterable of Track, optional
        If the ids are labels of tracks.

    Returns
    -------
    dict of ndarray
        Name of the column to a value a cell, by rising id.

        - ``id``; ``area`` in pixels; ``centroid_y`` and ``centroid_x``, where the centre of the first pixel is 0;
          ``bbox_top``, ``bbox_left``, ``bbox_bottom``, ``bbox_right``, of which the last two lie outside;
          ``axis_major_length``, ``axis_minor_length``, ``orientation`` (radians between the rows' axis and the major
          axis), ``eccentricity``, ``solidity``, ``perimeter``: as scikit-image has them.
        - ``touches_edge``: whether it reaches the page's edge. ``neighbours``: number of the cells that at most 3
          pixels of background separate from it. ``pieces``: number of its parts; pixels that only share a corner are
          in different parts.
        - ``confidence``, if ``probability`` is given: the mean probability of "cell" in the cell and of "background"
          in the background up to 2 pixels around it. So a vague border lowers it.
        - ``track`` and ``parent`` (0: none), if ``tracks`` are given.
        - with ``pixel_size`` ``area_um2``, and the centroid, axes and perimeter in micrometres: ``perimeter_um`` …
        - ``intensity_mean_0``, ``intensity_min_0``, ``intensity_max_0`` of the first channel, and so on.

    Raises
    ------
    InputError
        If the sizes differ.

    Examples
    --------
    >>> columns = measure_cells(np.array([[4, 4, 0], [0, 0, 9]]), pixel_size=0.5)
    >>> columns["id"].tolist(), columns["area"].tolist(), columns["area_um2"].tolist()
    ([4, 9], [2.0, 1.0], [0.5, 0.25])
    """
    table = None if tracks is None else {track.label: track for track in tracks}
    page = LabelledPage.in_memory(labels, pixels=pixels, probability=probability, pixel_size=pixel_size, tracks=table)
    return measure_cutout(page, next(iter(page.cutouts())))


def measure_cutout(page: LabelledPage, cutout: Cutout) -> Columns:
    """Measure the cells of a cutout; see :func:`measure_cells`."""
    ids, numbered = number_labels(cutout.labels)
    columns: Columns = {"id": ids, **measure_shapes(numbered, len(ids))}
    for name, start in (("top", cutout.top), ("left", cutout.left), ("bottom", cutout.top), ("right", cutout.left)):
        columns[f"bbox_{name}"] = columns[f"bbox_{name}"] + start
    columns["centroid_y"] = columns["centroid_y"] + cutout.top
    columns["centroid_x"] = columns["centroid_x"] + cutout.left
    columns["touches_edge"] = (
        (columns["bbox_top"] == 0)
        | (columns["bbox_left"] == 0)
        | (columns["bbox_bottom"] == page.size[0])
        | (columns["bbox_right"] == page.size[1])
    )
    columns["neighbours"] = _count_near(cutout.surroundings, ids)
    columns["pieces"] = _count_pieces(numbered, len(ids))
    if cutout.probability is not None:
        columns["confidence"] = mean_certainty(numbered, cutout.probability, cutout.surroundings == 0)
    elif page.confidence is not None:
        columns["confidence"] = np.array([page.confidence.get(cell, np.nan) for cell in ids.tolist()])
    if page.tracks is not None:
        columns["track"] = ids
        columns["parent"] = np.array([page.tracks[i].parent if i in page.tracks else 0 for i in ids.tolist()], np.int64)
    if page.pixel_size is not None:
        columns["area_um2"] = columns["area"] * page.pixel_size**2
        columns |= {f"{name}_um": columns[name] * page.pixel_size for name in LENGTHS}
    for channel, values in enumerate(() if cutout.pixels is None else cutout.pixels):
        intensities = _intensities(numbered, values, len(ids))
        columns |= {f"{name}_{channel}": column for name, column in intensities.items()}
    return columns


def number_labels(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of a label map, rising, int64, and the map with their numbers 1 … n, int32."""
    highest = int(labels.max(initial=0))
    if highest > HIGHEST_TABLE:
        ids = np.unique(labels)
        ids = ids[ids > 0].astype(np.int64)
        return ids, np.where(labels > 0, np.searchsorted(ids, labels) + 1, 0).astype(np.int32)
    numbers = np.zeros(highest + 1, np.int32)
    numbers[labels] = 1
    numbers[0] = 0
    ids = np.flatnonzero(numbers)
    numbers[ids] = np.arange(1, len(ids) + 1)
    return ids, numbers[labels]


def cell_masks(cutout: Cutout) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Yield id, top, left and mask (h, w), bool, of each cell of a cutout: its bounding box, placed in the page."""
    ids, numbered = number_labels(cutout.labels)
    for number, (cell, box) in enumerate(zip(ids.tolist(), ndimage.find_objects(numbered), strict=True), 1):
        yield cell, cutout.top + box[0].start, cutout.left + box[1].start, numbered[box] == number


def mean_certainty(numbered: np.ndarray, probability: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return for each of the cells 1 … n the mean probability that its pixels, and those at its border, are right.

    Parameters
    ----------
    numbered : ndarray
        (H, W), integer: 0, or the cell's number.
    probability : ndarray
        (H, W), 0 … 1: of "cell".
    background : ndarray
        (H, W), bool: where no cell is. Of it, pixels up to 2 pixels away from a cell count in that cell's mean.

    Returns
    -------
    ndarray
        (n,), float64, 0 … 1.

    Examples
    --------
    >>> cells = np.array([[0, 0, 1, 1]])
    >>> mean_certainty(cells, np.array([[0.0, 0.4, 0.8, 1.0]]), cells == 0).round(3).tolist()
    [0.85]
    """
    count = int(numbered.max(initial=0))
    sums = np.bincount(numbered.ravel(), weights=probability.ravel(), minlength=count + 1)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    padded = np.pad(numbered, BORDER)
    near = ndimage.maximum_filter(padded, 2 * BORDER + 1)[BORDER:-BORDER, BORDER:-BORDER] > 0
    rows, columns = np.nonzero(near & background)
    reached = [
        padded[rows + BORDER + y, columns + BORDER + x]
        for y, x in product(range(-BORDER, BORDER + 1), repeat=2)
        if y * y + x * x <= BORDER * BORDER
    ]
    for step, cells in enumerate(reached):  # a pixel counts once for each cell that it is near
        new = cells > 0
        for earlier in reached[:step]:
            new &= cells != earlier
        sums += np.bincount(cells[new], weights=1.0 - probability[rows[new], columns[new]], minlength=count + 1)
        sizes += np.bincount(cells[new], minlength=count + 1)
    return sums[1:] / np.maximum(sizes[1:], 1)


def _intensities(numbered: np.ndarray, values: np.ndarray, cells: int) -> Columns:
    """Return ``intensity_mean``, ``intensity_min`` and ``intensity_max`` of numbered cells, in float64."""
    inside = numbered > 0
    owners, chosen = numbered[inside] - 1, values[inside].astype(np.float64)
    lowest, highest = np.full(cells, np.inf), np.full(cells, -np.inf)
    np.minimum.at(lowest, owners, chosen)
    np.maximum.at(highest, owners, chosen)
    total = np.bincount(owners, weights=chosen, minlength=cells)
    mean = total / np.bincount(owners, minlength=cells)
    return {"intensity_mean": mean, "intensity_min": lowest, "intensity_max": highest}


def _count_pieces(numbered: np.ndarray, cells: int) -> np.ndarray:
    pieces, count = label(numbered, background=0, connectivity=1, return_num=True)
    owner = np.zeros(count + 1, np.int64)
    owner[pieces] = numbered
    return np.bincount(owner[1:], minlength=cells + 1)[1:]


def _count_near(labels: np.ndarray, ids: np.ndarray, gap: int = NEIGHBOUR_GAP) -> np.ndarray:
    """Return for each id the number of other cells that at most ``gap`` pixels separate from it.

    Of two cells the pixels nearest to each other lie at the edges of both, so only pixels at edges are compared.
    """
    reach = gap + 1
    padded = np.pad(labels, reach)
    inner = padded[reach:-reach, reach:-reach]
    at_edge = np.zeros(labels.shape, bool)
    for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        at_edge |= inner != padded[reach + y : reach + y + labels.shape[0], reach + x : reach + x + labels.shape[1]]
    rows, columns = np.nonzero(at_edge & (inner > 0))
    places = (rows + reach) * padded.shape[1] + columns + reach
    flat = padded.ravel()
    own = flat[places].astype(np.int64)
    pairs = []
    for y, x in product(range(reach + 1), range(-reach, reach + 1)):
        if 0 < y * y + x * x <= reach * reach and (y, x) > (0, 0):
            other = flat[places + y * padded.shape[1] + x]
            near = (other > 0) & (other != own)
            pairs.append(np.unique(np.sort(np.stack([own[near], other[near]]), axis=0), axis=1))
    both = np.unique(np.concatenate(pairs, axis=1), axis=1)
    cells, counts = np.unique(both, return_counts=True)
    number = dict(zip(cells.tolist(), counts.tolist(), strict=True))
    return np.array([number.get(cell, 0) for cell in ids.tolist()], np.int64)
