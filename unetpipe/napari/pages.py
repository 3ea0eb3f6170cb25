"""The axes of a layer's array: which of them count pages, and each page as an image in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unetpipe.errors import InputError


def possible_axes(ndim: int, rgb: bool = False) -> tuple[str, ...]:
    """Return which axes an array may have, the likeliest first.

    T and Z count pages, and each page is segmented as a separate image; C is an axis of channels.

    Examples
    --------
    >>> possible_axes(2), possible_axes(3), possible_axes(4, rgb=True)
    (('YX',), ('TYX', 'CYX'), ('TYXC',))
    """
    plain = {2: ("YX",), 3: ("TYX", "CYX"), 4: ("TZYX", "CTYX", "TCYX"), 5: ("CTZYX", "TCZYX", "TZCYX")}
    coloured = {3: ("YXC",), 4: ("TYXC",), 5: ("TZYXC",)}
    return (coloured if rgb else plain).get(ndim, ())


@dataclass(frozen=True)
class Pages:
    """An array of images, of which one page at a time is read into memory.

    Parameters
    ----------
    array : array
        NumPy, Dask or another array that can be indexed.
    axes : str
        Its axes, one of :func:`possible_axes`.
    name : str
        What sentences call it.

    Raises
    ------
    InputError
        If the array has another number of axes.

    Examples
    --------
    >>> pages = Pages(np.zeros((3, 20, 30)), "TYX")
    >>> len(pages), pages.shape, pages.read((2,)).shape
    (3, (3, 20, 30), (20, 30))
    """

    array: Any
    axes: str
    name: str = "The image"

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.array.shape) or not {"Y", "X"} <= set(self.axes):
            raise InputError(
                f"{self.name} has the shape {tuple(self.array.shape)}, and {', '.join(self.axes) or 'no axes'} cannot "
                "be its axes; an image has Y and X, and may have T, Z and C."
            )

    @property
    def page_axes(self) -> tuple[int, ...]:
        """The places of the axes that count pages."""
        return tuple(place for place, axis in enumerate(self.axes) if axis not in "CYX")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the labels: lengths of the axes except the channels."""
        return tuple(length for length, axis in zip(self.array.shape, self.axes, strict=True) if axis != "C")

    def __len__(self) -> int:
        return math.prod(self.shape[:-2])

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of each page, along the axes that count pages."""
        yield from np.ndindex(*self.shape[:-2])

    def number(self, index: Sequence[int]) -> int | None:
        """Return which page an index is, from 0; None if there is only one."""
        return int(np.ravel_multi_index(tuple(index), self.shape[:-2])) if len(self) > 1 else None

    def read(self, index: Sequence[int]) -> np.ndarray:
        """Return a page, (H, W), or (H, W, C) if there is an axis of channels."""
        places = dict(zip(self.page_axes, index, strict=True))
        page = self.array[tuple(places.get(place, slice(None)) for place in range(len(self.axes)))]
        left = [axis for axis in self.axes if axis in "CYX"]
        return np.moveaxis(np.asarray(page), left.index("C"), -1) if "C" in left else np.asarray(page)
