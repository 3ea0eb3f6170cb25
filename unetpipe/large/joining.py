"""Regions labelled block by block, joined to those of the whole page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unetpipe.large.blocks import Block, Grid
from unetpipe.large.work import Work

Part = Mapping[str, np.ndarray]


def edges(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return what has to be kept of a block's labels (h, w) to join them to those of the blocks around it."""
    return {"top": labels[0], "bottom": labels[-1], "left": labels[:, 0], "right": labels[:, -1]}


def join(work: Work, stage: str, page: int, diagonal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Join the labels of all blocks of a page.

    Parameters
    ----------
    work : Work
        Its ``stage`` has kept for each block :func:`edges` and "count", the number of its labels 1 … count.
    stage : str
        Name of the stage.
    page : int
        The page.
    diagonal : bool
        Whether pixels that meet at a corner belong together (8-connected) or not (4-connected).

    Returns
    -------
    first : ndarray
        (rows, columns) of blocks, int64: label n of a block is number ``first[block] + n − 1`` of the page.
    region : ndarray
        The region that each of these numbers belongs to, int64, 0 … regions − 1.
    """
    grid = work.grid
    first = np.zeros((grid.rows, grid.columns), np.int64)
    pairs: list[np.ndarray] = []
    total = 0
    above: list[Part] = []
    for row in range(grid.rows):
        parts = [work.load(stage, Block(page, row, column)) for column in range(grid.columns)]
        for column, part in enumerate(parts):
            first[row, column] = total
            total += int(part["count"])
        pairs += [
            _numbered(one, other, first[here], first[there])
            for here, there, one, other in _neighbours(grid, row, parts, above, diagonal)
        ]
        above = parts
    found = np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)
    graph = coo_array((np.ones(len(found), np.int8), (found[:, 0], found[:, 1])), shape=(total, total))
    return first, connected_components(graph, directed=False)[1].astype(np.int64)


def _neighbours(
    grid: Grid, row: int, parts: list[Part], above: list[Part], diagonal: bool
) -> Iterator[tuple[tuple[int, int], tuple[int, int], np.ndarray, np.ndarray]]:
    """Yield pairs of blocks, and the labels that face each other across their edge."""
    for column, part in enumerate(parts):
        here = (row, column)
        if column > 0:
            for one, other in _facing(part["left"], parts[column - 1]["right"], diagonal):
                yield here, (row, column - 1), one, other
        if not above:
            continue
        for one, other in _facing(part["top"], above[column]["bottom"], diagonal):
            yield here, (row - 1, column), one, other
        if diagonal and column > 0:
            yield here, (row - 1, column - 1), part["top"][:1], above[column - 1]["bottom"][-1:]
        if diagonal and column + 1 < grid.columns:
            yield here, (row - 1, column + 1), part["top"][-1:], above[column + 1]["bottom"][:1]


def _facing(one: np.ndarray, other: np.ndarray, diagonal: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield one, other
    if diagonal:
        yield one[1:], other[:-1]
        yield one[:-1], other[1:]


def _numbered(one: np.ndarray, other: np.ndarray, first: int, first_other: int) -> np.ndarray:
    """Return the pairs of the page's numbers, (n, 2), each once, where both are labels."""
    both = (one > 0) & (other > 0)
    pairs = np.stack([one[both] + (first - 1), other[both] + (first_other - 1)], axis=1).astype(np.int64)
    return np.unique(pairs, axis=0)
