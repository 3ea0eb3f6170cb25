"""The square blocks of an image; each is computed, written and, if need be, computed again by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple


class Block(NamedTuple):
    """One block: its page and its place in the grid."""

    page: int
    row: int
    column: int

    def __str__(self) -> str:
        """Return the name that its files have."""
        return f"{self.page}-{self.row}-{self.column}"


class Region(NamedTuple):
    """A part of a page, in pixels."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def rows(self) -> slice:
        """Rows of the page."""
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        """Columns of the page."""
        return slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def within(self, other: Region) -> tuple[slice, slice]:
        """Return this region's rows and columns counted from another's corner."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )

    def intersection(self, other: Region) -> Region:
        """Return what two regions have in common. If that is nothing, a side of it is 0 or negative."""
        return Region(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )


@dataclass(frozen=True)
class Grid:
    """Pages of (height, width) pixels in blocks of ``side``; the last block of a row or column may be smaller."""

    pages: int
    height: int
    width: int
    side: int

    @property
    def rows(self) -> int:
        """Rows of blocks."""
        return math.ceil(self.height / self.side)

    @property
    def columns(self) -> int:
        """Columns of blocks."""
        return math.ceil(self.width / self.side)

    def blocks(self, page: int | None = None) -> list[Block]:
        """Return the blocks of a page, or of all, row by row."""
        pages = range(self.pages) if page is None else [page]
        return [Block(*place) for place in product(pages, range(self.rows), range(self.columns))]

    def region(self, block: Block, halo: int = 0) -> Region:
        """Return a block's pixels, and ``halo`` pixels around it as far as the image goes."""
        return Region(
            max(block.row * self.side - halo, 0),
            max(block.column * self.side - halo, 0),
            min((block.row + 1) * self.side + halo, self.height),
            min((block.column + 1) * self.side + halo, self.width),
        )

    def touching(self, page: int, region: Region) -> list[Block]:
        """Return the blocks of a page that a region lies in."""
        rows = range(region.top // self.side, (region.bottom - 1) // self.side + 1)
        columns = range(region.left // self.side, (region.right - 1) // self.side + 1)
        return [Block(page, row, column) for row, column in product(rows, columns)]
