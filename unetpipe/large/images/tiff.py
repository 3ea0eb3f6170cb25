"""Large TIFF files read lazily: tiles, strips, or a part of uncompressed pixels."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from unetpipe.errors import InputError
from unetpipe.files import first_line, remember
from unetpipe.large.images.lazy_image import LazyImage

# tifffile's letters: several kinds of page axes, and "S" for the samples of a colour image
PAGE_LETTERS = {"T": "t", "Z": "z", "I": "t", "Q": "t", "R": "t"}


class TiffImage(LazyImage):
    """The first series of a TIFF or OME-TIFF, at full resolution; each page is a separate image.

    Raises
    ------
    InputError
        If it cannot be read as TIFF, stores several images of one size one by one, has palette or inverted grey
        values, or axes other than pages, channels, y, x.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path).absolute()
        try:
            with tifffile.TiffFile(self.path) as file:
                _check_pages(file)
                series = file.series[0]
                page = series.keyframe
                letters, shape = str(series.axes), tuple(int(side) for side in series.shape)
                self.dtype = np.dtype(series.dtype)
                photometric = tifffile.PHOTOMETRIC(page.photometric)
                self.native = (int(page.tilelength or page.rowsperstrip), int(page.tilewidth or page.imagewidth))
                self.offset = series.dataoffset  # None unless the pixels lie uncompressed, one after the other
                byteorder = file.byteorder
                size = page.imagelength, page.imagewidth
                alike = sum((other.keyframe.imagelength, other.keyframe.imagewidth) == size for other in file.series)
        except Exception as error:  # damaged directories end in exceptions of every kind
            raise InputError(f"{self.path} cannot be read as TIFF ({first_line(error)}); is it complete?") from error
        if alike > 1:
            raise InputError(
                f"{self.path} stores {alike} images of one size one by one, not as one stack. Save them as one "
                "stack, or segment the file in memory, without --large."
            )
        if photometric in (tifffile.PHOTOMETRIC.PALETTE, tifffile.PHOTOMETRIC.MINISWHITE):
            raise InputError(
                f"{self.path} holds {photometric.name.lower()} values; save it as grey values, 0 is black."
            )
        axes = "".join({"S": "c", "C": "c", "Y": "y", "X": "x", **PAGE_LETTERS}.get(letter, "?") for letter in letters)
        if "?" in axes or len(set(axes)) != len(axes) or not {"y", "x"} <= set(axes):
            raise InputError(f"{self.path} has the axes {letters}; an image has pages, channels, height and width.")
        self.axes, self.array_shape = axes, shape
        self.native = (min(self.native[0], self.size[0]), min(self.native[1], self.size[1]))
        self.scale, self.units = (1.0,) * len(axes.replace("c", "")), (None,) * len(axes.replace("c", ""))
        if self.offset is not None:
            self.dtype = self.dtype.newbyteorder(byteorder)
            self.native = (1, 1)

    def identity(self) -> dict[str, Any]:
        """Return path, size and time of the last change."""
        status = self.path.stat()
        return {"path": str(self.path), "bytes": status.st_size, "changed": status.st_mtime_ns}

    def _read(self, index: tuple[int | slice, ...]) -> np.ndarray:
        if self.offset is None:
            return np.asarray(_open(self.path)[index])
        # mapped again for each read, so that pages of the file do not stay in this process's memory
        mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.array_shape)
        return np.array(mapped[index])


def _check_pages(file: tifffile.TiffFile) -> None:
    """Raise ValueError if the last readable page points to another one: pages are missing then."""
    form, handle = file.tiff, file.filehandle
    start = file.pages[len(file.pages) - 1].offset
    handle.seek(start)
    (tags,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    handle.seek(start + form.tagnosize + tags * form.tagsize)
    (following,) = struct.unpack(form.offsetformat, handle.read(form.offsetsize))
    if following:
        raise ValueError(f"page {len(file.pages)} is missing")


@remember(maxsize=8)
def _open(path: Path) -> zarr.Array:
    """Open the file as an array whose chunks are its tiles or strips."""
    store = tifffile.imread(path, aszarr=True, level=0, series=0)
    array = zarr.open(store, mode="r")
    if not isinstance(array, zarr.Array):
        raise TypeError("it holds several arrays")
    return array
