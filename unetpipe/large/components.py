"""Cells before they are cut: holes filled and components numbered over the whole page.

Both depend on the whole page: a hole is background that does not reach the page's border, and it may lie in many
blocks. So the background is labelled in each block and joined over the page first, and then the filled cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unetpipe.instances.from_probability import background_regions
from unetpipe.large.blocks import Block, Grid, Region
from unetpipe.large.work import Work

BACKGROUND, HOLES, COMPONENTS, PAGE = "background", "holes", "components", "page"


def label_background(work: Work, block: Block) -> None:
    """Keep the edges of the background regions (8-connected) of a block."""
    labels, count = background_regions(work.mask(block))
    work.save(BACKGROUND, block, count=count, **edges(labels))


def find_holes(work: Work, page: int) -> None:
    """Keep, for each background region of a page, whether it reaches the page's border ("reaches")."""
    grid = work.grid
    first, region = join(work, BACKGROUND, page, diagonal=True)
    is_open = np.zeros(len(region) + 1, bool)
    for block in grid.blocks(page):
        sides = {
            "top": block.row == 0,
            "bottom": block.row == grid.rows - 1,
            "left": block.column == 0,
            "right": block.column == grid.columns - 1,
        }
        if any(sides.values()):
            part = work.load(BACKGROUND, block)
            at_border = np.concatenate([part[side] for side, touches in sides.items() if touches])
            is_open[region[at_border[at_border > 0] + first[block.row, block.column] - 1]] = True
    work.save(HOLES, page, first=first, reaches=is_open[region])


def label_components(work: Work, block: Block) -> None:
    """Write the components (4-connected) of a block's filled cells as "components"; keep their edges and measures.

    The measures are, for each component, its number of pixels in this block ("sizes"), its box ("boxes", (n, 4)),
    and the position of its first pixel in the raster order of the page ("firsts").
    """
    mask = work.mask(block)
    background, regions = background_regions(mask)
    table = work.table(HOLES, block.page)
    start = table["first"][block.row, block.column]
    reaches = np.concatenate([[True], table["reaches"][start : start + regions]])
    labels, count = ndimage.label(mask | ~reaches[background])
    region = work.grid.region(block)
    work.scratch(COMPONENTS).write(block.page, region, labels)
    work.save(COMPONENTS, block, count=count, **edges(labels), **measures(labels, region, work.grid.width))


def join_components(work: Work, page: int) -> None:
    """Keep the components of a page.

    "first" and "component" say which component (0 …) a label of a block belongs to. "sizes", "boxes" and "firsts"
    measure whole components; "blocks" is the number of block labels that make up each.
    """
    first, component = join(work, COMPONENTS, page, diagonal=False)
    count = int(component.max(initial=-1)) + 1
    sizes, members = np.zeros(count, np.int64), np.bincount(component, minlength=count)
    firsts = np.full(count, np.iinfo(np.int64).max)
    boxes = np.tile(np.array([2**62, 2**62, 0, 0]), (count, 1))
    for block in work.grid.blocks(page):
        part = work.load(COMPONENTS, block)
        start = first[block.row, block.column]
        here = component[start : start + int(part["count"])]
        np.add.at(sizes, here, part["sizes"])
        np.minimum.at(firsts, here, part["firsts"])
        for side, choose in ((0, np.minimum), (1, np.minimum), (2, np.maximum), (3, np.maximum)):
            choose.at(boxes[:, side], here, part["boxes"][:, side])
    work.save(PAGE, page, first=first, component=component, sizes=sizes, firsts=firsts, boxes=boxes, blocks=members)


def measures(labels: np.ndarray, region: Region, page_width: int) -> dict[str, np.ndarray]:
    """Return sizes, boxes (top, left, bottom, right) and first pixels of the labels 1 … n of a region."""
    sizes = np.bincount(labels.ravel())[1:]
    boxes = np.zeros((len(sizes), 4), np.int64)
    for number, box in enumerate(ndimage.find_objects(labels)):
        if box is not None:
            boxes[number] = box[0].start, box[1].start, box[0].stop, box[1].stop
    boxes += np.array([region.top, region.left, region.top, region.left])
    places = np.flatnonzero(labels)
    position = np.zeros(len(sizes) + 1, np.int64)
    position[labels.ravel()[places[::-1]]] = places[::-1]  # written in reverse, so the first pixel stays
    rows, columns = np.divmod(position[1:], labels.shape[1])
    return {"sizes": sizes, "boxes": boxes, "firsts": (rows + region.top) * page_width + columns + region.left}


Part = Mapping[str, np.ndarray]


def edges(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the edges of a block's labels (h, w), by which they are joined to the labels of the blocks around it."""
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
        Whether pixels that touch only at a corner belong together (8-connected) or not (4-connected).

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
    """Return the pairs (n, 2) of labels that face each other, as numbers of the page, each pair once."""
    both = (one > 0) & (other > 0)
    pairs = np.stack([one[both] + (first - 1), other[both] + (first_other - 1)], axis=1).astype(np.int64)
    return np.unique(pairs, axis=0)
