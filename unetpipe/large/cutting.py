"""Components with several confident centres cut between them: within blocks, and across them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unetpipe.errors import InputError
from unetpipe.large.blocks import Block, Region
from unetpipe.large.components import COMPONENTS, PAGE, measures
from unetpipe.large.work import Work

PARTS, CROSSING = "parts", "crossing"


class Crossing(NamedTuple):
    """Components of a page, near each other, that lie in several blocks and are cut in one job, named ``number``."""

    page: int
    number: int
    components: tuple[int, ...]

    def __str__(self) -> str:
        """Return the name that its file has."""
        return f"{self.page}-{self.number}"


def cut_block(work: Work, block: Block) -> None:
    """Write the parts of the components that lie only in this block as "parts"; keep their measures."""
    region = work.grid.region(block)
    labels = work.scratch(COMPONENTS).read(block.page, region)
    table = work.table(PAGE, block.page)
    whole = table["blocks"][_components(table, block, int(labels.max(initial=0)))] == 1
    alone = np.where(np.concatenate([[False], whole])[labels], labels, 0)
    if work.settings.cuts:
        alone = work.settings.cut(work.probability.read(block.page, region), alone)
    work.scratch(PARTS).write(block.page, region, alone)
    work.save(PARTS, block, **measures(alone, region, work.grid.width))


def crossings(work: Work, page: int) -> list[Crossing]:
    """Return the components of a page that lie in several blocks, grouped by the block in which they begin.

    A component whose box is larger than a block is a separate group. If nothing is to be cut, there are no groups.
    """
    if not work.settings.cuts:
        return []
    table = work.table(PAGE, page)
    groups: dict[tuple[int, ...], list[int]] = {}
    for component in np.flatnonzero(table["blocks"] > 1).tolist():
        box = Region(*table["boxes"][component].tolist())
        block = (box.top // work.grid.side, box.left // work.grid.side)
        alone = max(box.shape) > work.grid.side
        groups.setdefault((*block, component) if alone else block, []).append(component)
    return [Crossing(page, number, tuple(group)) for number, group in enumerate(groups.values())]


def cut_crossing(work: Work, crossing: Crossing) -> None:
    """Keep the parts of components that lie in several blocks: "labels" (flat), "boxes", "sizes" and "firsts".

    Raises
    ------
    InputError
        If a component is too large for the memory that was granted.
    """
    table = work.table(PAGE, crossing.page)
    boxes = [Region(*table["boxes"][component].tolist()) for component in crossing.components]
    around = Region(
        min(box.top for box in boxes),
        min(box.left for box in boxes),
        max(box.bottom for box in boxes),
        max(box.right for box in boxes),
    )
    if around.area > work.largest_cut:
        raise InputError(
            f"A component of {work.image.path} spans {around.shape[0]} × {around.shape[1]} pixels, too many to be cut "
            f"between its centres within the memory granted ({work.largest_cut} pixels); grant more by --memory, or "
            "use a model with a higher threshold."
        )
    probability = work.probability.read(crossing.page, around)
    components = _read_components(work, table, crossing.page, around)
    labels, sizes, firsts = [], [], []
    for component, box in zip(crossing.components, boxes, strict=True):
        here = box.within(around)
        inside = (components[here] == component + 1).astype(np.int32)
        parts = work.settings.cut(probability[here], inside)
        found = measures(parts, box, work.grid.width)
        labels.append(parts.ravel().astype(np.uint16 if parts.max() < 2**16 else np.int32))
        sizes.append(found["sizes"])
        firsts.append(found["firsts"])
    work.save(
        CROSSING,
        crossing,
        components=np.array(crossing.components),
        boxes=np.array(boxes),
        labels=np.concatenate(labels),
        counts=np.array([len(found) for found in sizes]),
        sizes=np.concatenate(sizes),
        firsts=np.concatenate(firsts),
    )


def pieces(kept: Mapping[str, np.ndarray]) -> Sequence[tuple[Region, np.ndarray]]:
    """Return the boxes of a group of crossing components and their parts' labels (h, w), 1 … n in each."""
    result, start = [], 0
    for box in kept["boxes"].tolist():
        region = Region(*box)
        result.append((region, kept["labels"][start : start + region.area].reshape(region.shape)))
        start += region.area
    return result


def _components(table: Mapping[str, np.ndarray], block: Block, count: int) -> np.ndarray:
    """Return the page's components (0 …) of a block's labels 1 … count."""
    start = table["first"][block.row, block.column]
    return table["component"][start : start + count]


def _read_components(work: Work, table: Mapping[str, np.ndarray], page: int, region: Region) -> np.ndarray:
    """Read the page's components in a region, plus 1; 0 is background."""
    result = np.zeros(region.shape, np.int64)
    for block in work.grid.touching(page, region):
        shared = region.intersection(work.grid.region(block))
        labels = work.scratch(COMPONENTS).read(page, shared)
        numbers = np.concatenate([[0], _components(table, block, int(labels.max(initial=0))) + 1])
        result[shared.within(region)] = numbers[labels]
    return result
