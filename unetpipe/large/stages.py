"""The steps from an image to its result, in order; each job of a step can be done, and repeated, by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from unetpipe.large import components, cutting, network, numbering, result, statistics
from unetpipe.large.blocks import Block
from unetpipe.large.work import PagedArray, Work


class Stage(NamedTuple):
    """One step: ``jobs`` lists what has to be done, ``function`` does a job, ``is_done`` says if one is complete."""

    name: str
    jobs: Callable[[Work], Sequence[Any]]
    function: Callable[[Work, Any], None]
    is_done: Callable[[Work, Any], bool]


def stages(work: Work) -> list[Stage]:
    """Return the steps of a segmentation."""
    own_statistics = [
        Stage("statistics", _blocks, statistics.measure, _kept(statistics.PARTS)),
        Stage("mean and deviation", _pages, statistics.gather, _kept(statistics.PAGE)),
    ]
    return [
        *(own_statistics if work.statistics is None else []),
        Stage("network", _blocks, network.compute, _written(work.probability)),
        *(_flooded() if work.settings.floods else _joined(work)),
        *(_level(level) for level in range(1, len(result.levels(work.grid)))),
    ]


def _flooded() -> list[Stage]:
    return [Stage("cells of a page", _pages, numbering.flood, numbering.is_flooded)]


def _joined(work: Work) -> list[Stage]:
    return [
        Stage("background", _blocks, components.label_background, _kept(components.BACKGROUND)),
        Stage("holes", _pages, components.find_holes, _kept(components.HOLES)),
        Stage("components", _blocks, components.label_components, _kept(components.COMPONENTS)),
        Stage("components joined", _pages, components.join_components, _kept(components.PAGE)),
        Stage("cells", _blocks, cutting.cut_block, _kept(cutting.PARTS)),
        Stage("cells across tiles", _crossings, cutting.cut_crossing, _kept(cutting.CROSSING)),
        Stage("numbers", _pages, numbering.number, _kept(numbering.NUMBERS)),
        Stage("numbered", _blocks, numbering.write_numbered, _written(work.scratch(numbering.NUMBERED))),
        Stage("instances", _blocks, numbering.write_instances, _written(work.labels)),
    ]


def _level(level: int) -> Stage:
    def is_done(work: Work, block: Block) -> bool:
        region = result.levels(work.grid)[level].region(block)
        return all(array.is_complete(block.page, region) for array in result.level_arrays(work, level))

    return Stage(
        f"level {level}",
        lambda work: result.levels(work.grid)[level].blocks(),
        functools.partial(result.write_level, level),
        is_done,
    )


def _blocks(work: Work) -> Sequence[Block]:
    return work.grid.blocks()


def _pages(work: Work) -> Sequence[int]:
    return range(work.grid.pages)


def _crossings(work: Work) -> Sequence[cutting.Crossing]:
    return [crossing for page in _pages(work) for crossing in cutting.crossings(work, page)]


def _kept(stage: str) -> Callable[[Work, Any], bool]:
    return lambda work, job: work.is_kept(stage, job)


def _written(array: PagedArray) -> Callable[[Work, Block], bool]:
    return lambda work, block: array.is_complete(block.page, work.grid.region(block))
