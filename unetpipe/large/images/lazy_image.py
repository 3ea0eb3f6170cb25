"""The common part of images on disk that are read region by region."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import math
import unicodedata
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from unetpipe.datasets.pixels import no_channel, wrong_channels
from unetpipe.errors import InputError
from unetpipe.files import first_line
from unetpipe.io.images import check_pixels, image_name
from unetpipe.mirror import mirror_indices

logger = logging.getLogger(__name__)

PAGE_AXES = "tz"
# units of length in micrometres, by the names of OME-Zarr and others that writers use, in lower case
NAMES_OF_UNITS = {
    1e-4: ("angstrom", "ångström", "å"),
    1e-3: ("nanometer", "nanometre", "nm"),
    1.0: ("micrometer", "micrometre", "micron", "µm", "um"),
    1e3: ("millimeter", "millimetre", "mm"),
    1e4: ("centimeter", "centimetre", "cm"),
    1e6: ("meter", "metre", "m"),
}
MICROMETRES = {name: size for size, names in NAMES_OF_UNITS.items() for name in names}
SQUARE = 0.01  # by how much height and width of a pixel may differ, relatively
SUFFIXES = (".ome.zarr", ".zarr", ".ome.tiff", ".ome.tif", ".tiff", ".tif")


class ImageError(InputError):
    """The image must be changed before it can be segmented, so work that was begun on it is of no use."""


class LazyImage(ABC):
    """Pages (C, H, W) of an image on disk, read region by region. It can be pickled and sent to other processes.

    Attributes
    ----------
    path : Path
        File or folder, absolute.
    axes : str
        The axes of the array, such as "tczyx"; without "c" if there is no axis of channels.
    array_shape : tuple of int
        Lengths of these axes.
    dtype : numpy.dtype
        Of the pixels in the file.
    native : (int, int)
        Height and width, in pixels, of the smallest part that the file can decode.
    scale : (float, …)
        Pixel size along each axis except "c", in ``units``.
    units : tuple of (str or None)
        Unit of each axis except "c".
    channel : int or None
        The channel that is read; None: all of them.
    """

    path: Path
    axes: str
    array_shape: tuple[int, ...]
    dtype: np.dtype
    native: tuple[int, int]
    scale: tuple[float, ...]
    units: tuple[str | None, ...]
    channel: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.array_shape[self.axes.index("y")], self.array_shape[self.axes.index("x")]

    @property
    def channels(self) -> int:
        """Number of channels that are read."""
        return 1 if self.channel is not None else self.channels_of_file

    @property
    def channels_of_file(self) -> int:
        """Number of channels that the file has."""
        return self.array_shape[self.axes.index("c")] if "c" in self.axes else 1

    def of_channel(self, channel: int | None) -> Self:
        """Return the image of which only one channel is read, or all of them (None)."""
        image = copy.copy(self)
        image.channel = channel
        return image

    @property
    def page_axes(self) -> str:
        """The axes that count pages, such as "tz"."""
        return "".join(axis for axis in self.axes if axis not in "cyx")

    @property
    def page_shape(self) -> tuple[int, ...]:
        """Lengths of the axes that count pages; () for a single page."""
        return tuple(length for axis, length in zip(self.axes, self.array_shape, strict=True) if axis not in "cyx")

    @property
    def pages(self) -> int:
        """Number of pages; each is segmented as a separate image."""
        return math.prod(self.page_shape)

    @property
    def pixel_size(self) -> float | None:
        """Width of a pixel in micrometres; None if the file does not state it in a unit of length."""
        return self._pixel_sides()[1]

    def _pixel_sides(self) -> tuple[float | None, float | None]:
        """Return height and width of a pixel in micrometres, each None if it is not known."""
        axes = self.axes.replace("c", "")
        sides = []
        for place in (axes.index("y"), axes.index("x")):
            # NFKC makes one character of the two that are written for "micro"
            name = unicodedata.normalize("NFKC", self.units[place] or "").replace("\u03bc", "\u00b5").lower()
            times = MICROMETRES.get(name) or MICROMETRES.get(name.removesuffix("s"))
            sides.append(None if times is None else self.scale[place] * times)
        return sides[0], sides[1]

    @property
    def name(self) -> str:
        """The file's name without its suffix: slide.2.ome.zarr → slide.2."""
        suffix = next((suffix for suffix in SUFFIXES if self.path.name.lower().endswith(suffix)), "")
        return self.path.name[: len(self.path.name) - len(suffix)] or self.path.name

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return plain values that change when the image changes."""

    @abstractmethod
    def _read(self, index: tuple[int | slice, ...]) -> np.ndarray:
        """Read ``array[index]``, the axes in the file's order."""

    def read(self, page: int, rows: slice, columns: slice, dtype: DTypeLike = np.float32) -> np.ndarray:
        """Read a region (C, h, w), as ``dtype``; it must lie inside the image.

        Raises
        ------
        ImageError
            If the file cannot be decoded there, or holds pixels there that are NaN, infinite or above 10¹⁸.
        InputError
            If the operating system refuses to read it, or there is too little memory.
        """
        position = dict(zip(self.page_axes, np.unravel_index(page, self.page_shape or (1,)), strict=False))
        places: dict[str, int | slice] = {
            "c": slice(None) if self.channel is None else slice(self.channel, self.channel + 1),
            "y": rows,
            "x": columns,
            **{axis: int(number) for axis, number in position.items()},
        }
        try:
            array = self._read(tuple(places[axis] for axis in self.axes))
        except InputError as error:
            raise _kind_of(error.__cause__)(str(error)) from error
        except Exception as error:  # each codec has its own exceptions for damaged data
            raise _kind_of(error)(
                f"{self.path} cannot be read in rows {rows.start} to {rows.stop - 1}, columns {columns.start} to "
                f"{columns.stop - 1} of page {page} ({first_line(error)}); is it complete?"
            ) from error
        remaining = [axis for axis in self.axes if axis in "cyx"]
        if "c" not in remaining:
            array, remaining = array[None], ["c", *remaining]
        try:
            check_pixels(array, image_name(self.path, page if self.pages > 1 else None))
        except InputError as error:
            raise ImageError(str(error)) from error
        return np.transpose(array, [remaining.index(axis) for axis in "cyx"]).astype(dtype)

    def read_mirrored(self, page: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Read a region (C, height, width), float32; parts of it that lie outside the image are mirrored.

        The result is equal to a crop of ``np.pad(image, …, mode="reflect")``.
        """
        rows, columns = (
            mirror_indices(start, start + length, side).numpy()
            for start, length, side in zip((top, left), (height, width), self.size, strict=True)
        )
        region = self.read(page, _span(rows), _span(columns))
        return region[:, rows - rows.min()][:, :, columns - columns.min()]

    def native_bytes(self) -> int:
        """Return the bytes of the smallest part that the file can decode."""
        return self.native[0] * self.native[1] * self.channels_of_file * self.dtype.itemsize

    def fingerprint(self) -> str:
        """Return a hash that changes when the image changes."""
        values = {**self.identity(), "channel": self.channel}
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()

    def check(self, channels: int) -> None:
        """Check that a network with that many input channels can segment the image; one with three takes grey ones too.

        If pixels are not square, or parts of the image are missing, it logs a warning.

        Raises
        ------
        InputError
            If the network cannot.
        """
        if self.dtype.kind not in "buif":
            raise InputError(f"{self.path} holds {self.dtype}; an image holds whole or floating-point numbers.")
        if 0 in self.array_shape:
            raise InputError(f"{self.path} is empty: its shape is {self.array_shape}.")
        if self.channel is not None and not 0 <= self.channel < self.channels_of_file:
            raise InputError(no_channel(self.path, self.channels_of_file, self.channel))
        if self.channels != channels and (self.channels, channels) != (1, 3):
            raise InputError(wrong_channels(self.path, self.channels, channels))
        height, width = self._pixel_sides()
        if height is not None and width is not None and abs(height / width - 1) > SQUARE:
            logger.warning(
                "%s has pixels of %.4g µm height and %.4g µm width; a network sees them as square",
                self.path,
                height,
                width,
            )


def _kind_of(cause: BaseException | None) -> type[InputError]:
    """Return the error to raise: what the operating system refuses, such as a network drive, may work next time."""
    passes = isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno is not None)
    return InputError if passes else ImageError


def _span(indices: np.ndarray) -> slice:
    return slice(int(indices.min()), int(indices.max()) + 1)
