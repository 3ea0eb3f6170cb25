"""Cells of label images larger than memory: each is cut out whole, wherever the blocks' edges run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import zarr
from scipy import ndimage

from unetpipe.errors import InputError
from unetpipe.io.derived import ZARR_KEY
from unetpipe.large.blocks import Grid, Region
from unetpipe.large.images import LazyImage, OmeZarrImage
from unetpipe.morphometry.cells import NEIGHBOUR_GAP, Cutout, LabelledPage, number_labels

SIDE = 1024  # px of a block, unless chunks of the file are larger


def result_pages(
    path: str | os.PathLike,
    pixels: LazyImage | None = None,
    pixel_size: float | None = None,
    name: str | None = None,
) -> Iterator[LabelledPage]:
    """Yield the pages of a segmented OME-Zarr image, or of an OME-Zarr label image, for tables and exports.

    Parameters
    ----------
    path : path
        An image with labels in it, such as ``unetpipe segment`` writes, whose probability is measured too; else
        ``IMAGE/labels/NAME``, or any other OME-Zarr image of cell ids.
    pixels : LazyImage, optional
        The image that was segmented, to measure intensities.
    pixel_size : float, optional
        Side of a pixel in micrometres; by default the one that the label image states.
    name : str, optional
        What tables call it; by default the file's name.

    Raises
    ------
    InputError
        If there are no labels, several label images to choose from, or an image of another size.
    """
    image = OmeZarrImage(path, labels=True)
    names = _label_names(image.path)
    if not names:
        yield from lazy_pages(image, pixels, None, name, pixel_size)
        return
    if len(names) > 1:
        raise InputError(
            f"{image.path} has several label images; name one of them, such as {image.path / 'labels' / names[0]}."
        )
    labels = OmeZarrImage(image.path / "labels" / names[0], labels=True)
    is_result = ZARR_KEY in zarr.open_group(image.path, mode="r").attrs
    probability = image if is_result else None
    if pixels is None and not is_result:
        pixels = image
    yield from lazy_pages(labels, pixels, probability, image.name if name is None else name, pixel_size)


def lazy_pages(
    labels: LazyImage,
    pixels: LazyImage | None = None,
    probability: LazyImage | None = None,
    name: str | None = None,
    pixel_size: float | None = None,
    side: int = SIDE,
) -> Iterator[LabelledPage]:
    """Yield the pages of a label image on disk.

    No more is in memory at a time than four blocks and the largest cell's bounding box, and the bounding boxes of a
    page's cells.

    Parameters
    ----------
    labels : LazyImage
        Of integers; without channels.
    pixels, probability : LazyImage, optional
        Images of the same size and pages.
    name : str, optional
        What tables call it; by default the file's name.
    pixel_size : float, optional
        Side of a pixel in micrometres; by default the one that ``labels`` states.
    side : int
        Of a block, in pixels.

    Raises
    ------
    InputError
        If ``labels`` does not hold integers in one channel, or an image has another size.
    """
    if labels.dtype.kind not in "bui" or labels.channels != 1:
        raise InputError(
            f"{labels.path} holds {labels.dtype} in {labels.channels} channel(s); a label image holds whole numbers, "
            "the cells' ids, in one."
        )
    for other in (pixels, probability):
        if other is not None and (other.size, other.pages) != (labels.size, labels.pages):
            raise InputError(
                f"{other.path} has {other.pages} page(s) of {other.size[0]}×{other.size[1]} pixels (height × width), "
                f"its labels {labels.path} have {labels.pages} of {labels.size[0]}×{labels.size[1]}; they must fit."
            )
    name = labels.name if name is None else name
    grid = Grid(labels.pages, *labels.size, side=max(side, *labels.native))
    for page in range(labels.pages):
        yield LabelledPage(
            name,
            labels.size,
            partial(_cutouts, grid, page, labels, pixels, probability),
            page=page if labels.pages > 1 else None,
            name=f"{name}_{page:03d}" if labels.pages > 1 else name,
            stack=name,
            pixel_size=labels.pixel_size if pixel_size is None else pixel_size,
            path=labels.path if pixels is None else pixels.path,
        )


def _cutouts(
    grid: Grid, page: int, labels: LazyImage, pixels: LazyImage | None, probability: LazyImage | None
) -> Iterator[Cutout]:
    """Yield the cells of a page by the blocks in which their bounding boxes begin; larger ones by themselves."""
    ids, boxes = _bounding_boxes(grid, page, labels)
    groups = (boxes[:, 0] // grid.side) * grid.columns + boxes[:, 1] // grid.side
    large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) > grid.side
    groups[large] = grid.rows * grid.columns + np.arange(np.count_nonzero(large))
    order = np.argsort(groups, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(ids) else []:
        margin = NEIGHBOUR_GAP + 1
        top, left = np.maximum(boxes[members, :2].min(axis=0) - margin, 0).tolist()
        bottom, right = np.minimum(boxes[members, 2:].max(axis=0) + margin, labels.size).tolist()
        region = Region(top, left, bottom, right)
        around = _read_labels(labels, page, region)
        own_ids, numbered = number_labels(around)
        chosen = np.append(False, np.isin(own_ids, ids[members]))[numbered]
        yield Cutout(
            labels=np.where(chosen, around, 0),
            surroundings=around,
            top=top,
            left=left,
            pixels=None if pixels is None else pixels.read(page, region.rows, region.columns),
            probability=None if probability is None else probability.read(page, region.rows, region.columns)[0],
        )


def _bounding_boxes(grid: Grid, page: int, labels: LazyImage) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of a page, rising, and their bounding boxes (n, 4): top, left, bottom, right."""
    found: list[np.ndarray] = [np.empty((0, 5), np.int64)]
    for block in grid.blocks(page):
        region = grid.region(block)
        ids, numbered = number_labels(_read_labels(labels, page, region))
        boxes = [
            (cell, rows.start, columns.start, rows.stop, columns.stop)
            for cell, (rows, columns) in zip(ids.tolist(), ndimage.find_objects(numbered), strict=True)
        ]
        offset = (0, region.top, region.left, region.top, region.left)
        found.append(np.array(boxes, np.int64).reshape(-1, 5) + offset)
    parts = np.concatenate(found)
    parts = parts[np.argsort(parts[:, 0], kind="stable")]
    ids, first = np.unique(parts[:, 0], return_index=True)
    if not len(ids):
        return ids, np.empty((0, 4), np.int64)
    return ids, np.hstack([np.minimum.reduceat(parts[:, 1:3], first), np.maximum.reduceat(parts[:, 3:], first)])


def _read_labels(labels: LazyImage, page: int, region: Region) -> np.ndarray:
    return labels.read(page, region.rows, region.columns, np.int64 if labels.dtype.itemsize > 4 else np.int32)[0]


def _label_names(path: Path) -> list[str]:
    """Return the names of the label images of an OME-Zarr image."""
    try:
        attributes = dict(zarr.open_group(path / "labels", mode="r").attrs)
    except Exception:  # there are none
        return []
    names = attributes.get("ome", attributes)
    return [str(name) for name in names.get("labels", [])] if isinstance(names, dict) else []
