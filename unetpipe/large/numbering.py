"""Cells numbered over all blocks of a page, and written."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from unetpipe.instances import refill_ridge
from unetpipe.large.blocks import Block, Region
from unetpipe.large.components import COMPONENTS, PAGE
from unetpipe.large.cutting import CROSSING, PARTS, Crossing, crossings, pieces
from unetpipe.large.work import Work

NUMBERS, NUMBERED = "numbers", "numbered"


def number(work: Work, page: int) -> None:
    """Keep the number of every part of the page's components; 0 for those that are too small."""
    blocks = work.grid.blocks(page)
    sizes, firsts = [], []
    starts = np.zeros((work.grid.rows, work.grid.columns), np.int64)
    total = 0
    for block in blocks:
        part = work.load(PARTS, block)
        starts[block.row, block.column] = total
        total += len(part["sizes"])
        sizes.append(part["sizes"])
        firsts.append(part["firsts"])
    across = _crossing(work, page)
    sizes.append(across["sizes"])
    firsts.append(across["firsts"])
    all_sizes, all_firsts = np.concatenate(sizes), np.concatenate(firsts)
    kept = np.flatnonzero(all_sizes >= max(work.settings.min_size, 1))
    numbers = np.zeros(len(all_sizes), np.int32)
    numbers[kept[np.argsort(all_firsts[kept], kind="stable")]] = np.arange(1, len(kept) + 1)
    work.save(
        NUMBERS,
        page,
        starts=starts,
        parts=numbers[:total],
        across=numbers[total:],
        count=len(kept),
        **{key: across[key] for key in ("components", "groups", "boxes", "begins")},
    )


def write_numbered(work: Work, block: Block) -> None:
    """Write a block's instances by their numbers as "numbered"."""
    region, page = work.grid.region(block), block.page
    table = work.table(NUMBERS, page)
    parts = work.scratch(PARTS).read(page, region)
    start = table["starts"][block.row, block.column]
    result = np.concatenate([[0], table["parts"][start : start + parts.max(initial=0)]])[parts].astype(np.int32)
    if work.settings.cuts:
        boxes = table["boxes"]
        near = (
            (boxes[:, 0] < region.bottom)
            & (boxes[:, 1] < region.right)
            & (boxes[:, 2] > region.top)
            & (boxes[:, 3] > region.left)
        )
        for group in np.unique(table["groups"][near]).tolist():
            _paste(work, Crossing(page, group, ()), table, region, result)
    elif len(table["across"]):
        of_component = np.zeros(int(table["components"].max()) + 2, np.int32)
        of_component[table["components"] + 1] = table["across"]
        labels = work.scratch(COMPONENTS).read(page, region)
        joined = work.table(PAGE, page)
        begin = joined["first"][block.row, block.column]
        here = joined["component"][begin : begin + labels.max(initial=0)] + 1
        numbers = np.where(here < len(of_component), of_component[np.minimum(here, len(of_component) - 1)], 0)
        result = np.maximum(result, np.concatenate([[0], numbers])[labels].astype(np.int32))
    work.scratch(NUMBERED).write(page, region, result)


def write_instances(work: Work, block: Block) -> None:
    """Write a block of the result, with the ridge between two instances refilled as in memory."""
    region = work.grid.region(block)
    # what happens to a pixel of the ridge depends only on pixels within this distance
    radius = work.settings.ridge_refill_radius
    around = work.grid.region(block, halo=2 * math.ceil(max(radius, 0)) + 1)
    numbered = work.scratch(NUMBERED).read(block.page, around)
    work.labels.write(block.page, region, refill_ridge(numbered, radius)[region.within(around)])


def _crossing(work: Work, page: int) -> dict[str, np.ndarray]:
    """Return the parts of all components that lie in several blocks.

    "sizes" and "firsts" describe the parts. "components", "groups" and "boxes" describe the components; "begins" says
    where the parts of each component begin in "sizes" and "firsts".
    """
    if not work.settings.cuts:
        table = work.table(PAGE, page)
        found = np.flatnonzero(table["blocks"] > 1)
        return {
            "sizes": table["sizes"][found],
            "firsts": table["firsts"][found],
            "components": found,
            "groups": np.zeros(len(found), np.int64),
            "boxes": table["boxes"][found],
            "begins": np.arange(len(found)),
        }
    kept = [(crossing.number, work.load(CROSSING, crossing)) for crossing in crossings(work, page)]
    counts = np.concatenate([np.zeros(0, np.int64), *(part["counts"] for _, part in kept)])
    return {
        "sizes": np.concatenate([np.zeros(0, np.int64), *(part["sizes"] for _, part in kept)]),
        "firsts": np.concatenate([np.zeros(0, np.int64), *(part["firsts"] for _, part in kept)]),
        "components": np.concatenate([np.zeros(0, np.int64), *(part["components"] for _, part in kept)]),
        "groups": np.concatenate([np.zeros(0, np.int64), *(np.full(len(p["counts"]), n) for n, p in kept)]),
        "boxes": np.concatenate([np.zeros((0, 4), np.int64), *(part["boxes"] for _, part in kept)]),
        "begins": np.cumsum(counts) - counts,
    }


def _paste(work: Work, crossing: Crossing, table: Mapping[str, np.ndarray], region: Region, into: np.ndarray) -> None:
    """Write the numbered parts of a group of crossing components into their places in a region."""
    begins = table["begins"][table["groups"] == crossing.number]
    for (box, labels), begin in zip(pieces(work.load(CROSSING, crossing)), begins, strict=True):
        shared = box.intersection(region)
        if min(shared.shape) <= 0:
            continue
        piece = labels[shared.within(box)]
        numbers = np.concatenate([[0], table["across"][begin : begin + labels.max(initial=0)]]).astype(np.int32)
        place = shared.within(region)
        into[place] = np.where(piece > 0, numbers[piece], into[place])


def flood(work: Work, page: int) -> None:
    """Flood a page as a whole and write its instances; keep how many there are."""
    grid = work.grid
    instances = work.settings.instances(work.probability.read(page, Region(0, 0, grid.height, grid.width)))
    for block in grid.blocks(page):
        region = grid.region(block)
        work.labels.write(page, region, instances[region.rows, region.columns])
    work.save(NUMBERS, page, count=int(instances.max(initial=0)))


def is_flooded(work: Work, page: int) -> bool:
    """Return whether all instances of a page are written."""
    whole = all(work.labels.is_complete(page, work.grid.region(block)) for block in work.grid.blocks(page))
    return whole and work.is_kept(NUMBERS, page)
