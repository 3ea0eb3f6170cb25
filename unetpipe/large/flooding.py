"""Cells of models that merge open borders: a page is flooded as a whole, in one piece.

The flood and the merges after it may run from any cell to any other, so there is no cutting it into blocks.
"""

from __future__ import annotations

from unetpipe.large.blocks import Region
from unetpipe.large.numbering import NUMBERS
from unetpipe.large.work import Work


def flood(work: Work, page: int) -> None:
    """Write a page's instances; keep how many there are."""
    grid = work.grid
    instances = work.rules.instances(work.probability.read(page, Region(0, 0, grid.height, grid.width)))
    for block in grid.blocks(page):
        region = grid.region(block)
        work.labels.write(page, region, instances[region.rows, region.columns])
    work.save(NUMBERS, page, count=int(instances.max(initial=0)))


def is_flooded(work: Work, page: int) -> bool:
    """Return whether all of a page's instances are there."""
    whole = all(work.labels.is_complete(page, work.grid.region(block)) for block in work.grid.blocks(page))
    return whole and work.is_kept(NUMBERS, page)
