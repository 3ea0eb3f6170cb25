"""Segment the pages of an array one by one, with news of how far it is, so that it can be cancelled at any layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from unetpipe.errors import InputError
from unetpipe.inferers import OverlapTileInferer
from unetpipe.memory import free_memory, image_bytes
from unetpipe.napari.pages import Pages
from unetpipe.predictor import Predictor, warnings_of


@dataclass(frozen=True)
class FoundCells:
    """What was found in pages of an array.

    Attributes
    ----------
    labels : ndarray
        int32: 0 background, else the cell's id. Ids continue from page to page, so each is one cell.
    table : dict of ndarray
        Columns with a value a cell: ``index``, its id here; ``confidence``; ``page`` if there are several; and those of
        :func:`unetpipe.morphometry.measure_cells`, where ``id`` counts the cells of a page.
    warnings : tuple of str
        What was logged as a warning, and how the image or result differs from what the model was trained on.
    """

    labels: np.ndarray
    table: dict[str, np.ndarray]
    warnings: tuple[str, ...]


def segment_pages(
    pages: Pages,
    chosen: tuple[int, ...] | None = None,
    report: Callable[[float], object] = lambda share: None,
    check: Callable[[], object] = lambda: None,
    **options: Any,
) -> FoundCells:
    """Segment pages as :func:`unetpipe.segment` does.

    Parameters
    ----------
    pages : Pages
        The array.
    chosen : tuple of int, optional
        The index of one page; by default all pages. The labels of one page have the length 1 along the axes that
        count pages.
    report : callable
        Is called with the share of the work that is done, 0 … 1.
    check : callable
        Is called before each layer of the network; what it raises ends the work.
    **options
        Of :meth:`unetpipe.Predictor.load`: ``bundle``, ``model``, and keys of the bundle's ``inference.json``.

    Returns
    -------
    FoundCells

    Raises
    ------
    InputError
        As :func:`unetpipe.segment`, and if a page does not fit into memory.

    Examples
    --------
    >>> shares = []
    >>> found = segment_pages(Pages(np.zeros((2, 64, 64)), "TYX"), report=shares.append)
    >>> found.labels.shape, len(found.table["index"]), shares[-1]
    ((2, 64, 64), 0, 1.0)
    """
    todo = list(pages.indices()) if chosen is None else [chosen]
    shape = pages.shape if chosen is None else (*(1 for _ in chosen), *pages.shape[-2:])
    with warnings_of("unetpipe") as warnings:
        predictor = Predictor.load(**options)
        _check_memory(pages, shape)
        for layer in predictor.network.modules():
            layer.register_forward_pre_hook(lambda *_: check())
        labels = np.zeros(shape, np.int32)
        tables: list[dict[str, np.ndarray]] = []
        misfits: list[str] = []
        last = 0
        for number, index in enumerate(todo):
            check()
            if isinstance(predictor.tiles, OverlapTileInferer):  # others take no function
                predictor.tiles.progress = _tiles_to_share(report, number, len(todo), max(predictor.rotations, 1))
            image = pages.read(index)
            axes = "yxc" if image.ndim == 3 else "yx"
            found, probabilities, unlike = predictor.segment(image, axes)
            page = pages.number(index)
            misfits += unlike if page is None else [f"Page {page}: {sentence}" for sentence in unlike]
            table = predictor.measure(image, found, probabilities, axes)
            labels[index if chosen is None else tuple(0 for _ in index)] = np.where(found > 0, found + last, 0)
            tables.append(_features(table, last, page))
            last += len(table["id"])
            report((number + 1) / len(todo))
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    return FoundCells(labels, columns, tuple(dict.fromkeys([*warnings, *misfits])))


def _check_memory(pages: Pages, shape: Sequence[int]) -> None:
    """Raise InputError unless labels of that shape, and one page that is being segmented, fit into memory."""
    channels = pages.array.shape[pages.axes.index("C")] if "C" in pages.axes else 1
    height, width = pages.shape[-2:]
    needed = image_bytes((height, width), channels) + 4 * math.prod(shape)
    free = free_memory(torch.device("cpu"))
    if needed > free:
        raise InputError(
            f"{pages.name} takes {needed / 1e9:.1f} GB of memory to segment, and {free / 1e9:.1f} GB are free; save it "
            "as OME-Zarr or TIFF, and use the command unetpipe segment --large."
        )


def _tiles_to_share(
    report: Callable[[float], object], page: int, pages: int, passes: int
) -> Callable[[int, int], None]:
    """Return a function that is told the tiles of each pass over a page, and reports the share of all work."""
    finished = 0

    def told(done: int, total: int) -> None:
        nonlocal finished
        report((page + min((finished + done / total) / passes, 1)) / pages)
        finished += done == total

    return told


def _features(table: Mapping[str, np.ndarray], last: int, page: int | None) -> dict[str, np.ndarray]:
    """Return the table of a page as features of a Labels layer: ``index`` and what is looked at most come first."""
    place = {} if page is None else {"page": np.full(len(table["id"]), page)}
    return {"index": table["id"] + last, "confidence": table["confidence"], **place, **table}
