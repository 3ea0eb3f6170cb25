"""TIFF files read part by part, by the rules of :mod:`unetpipe.io.tiff`: the pixels are those of an image in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from unetpipe.errors import InputError
from unetpipe.io import tiff
from unetpipe.large.images.lazy_image import PAGE_AXES, LazyImage

PAGE_LETTERS = {"T": "t", "Z": "z", "I": "t", "Q": "t", "R": "t"}  # tifffile's, of several kinds of page axes


class TiffImage(LazyImage):
    """The pages of a TIFF or OME-TIFF, at full resolution; each page is a separate image.

    Raises
    ------
    InputError
        If it cannot be read as TIFF, or its pages differ in size, channels or type.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path).absolute()
        kinds = tiff.kinds(self.path)
        kind = kinds[0]
        if any(other[:3] != kind[:3] for other in kinds):
            raise InputError(
                f"{self.path} has pages that differ in size, channels or type; to read it part by part, save them as "
                "separate files."
            )
        pages = self._page_axes()
        self.axes = "".join(pages) + ("c" if kind.channels > 1 else "") + "yx"
        self.array_shape = (*pages.values(), *((kind.channels,) if kind.channels > 1 else ()), *kind.size)
        self.dtype, self.native = kind.dtype, kind.native
        self.scale, self.units = (1.0,) * len(pages) + (1.0, 1.0), (None,) * len(pages) + (None, None)

    def identity(self) -> dict[str, Any]:
        """Return path, size and time of the last change."""
        status = self.path.stat()
        return {"path": str(self.path), "bytes": status.st_size, "changed": status.st_mtime_ns}

    def _page_axes(self) -> dict[str, int]:
        """Return the axes that count pages with their lengths: those of the file, or one of time for all pages."""
        stack = tiff.open_stack(self.path)
        part = stack.parts[0]
        named = list(zip(part.axes[: part.leading], part.shape, strict=False))
        axes = [(PAGE_LETTERS.get(letter, ""), length) for letter, length in named if letter != "C"]
        letters = [letter for letter, _ in axes]
        if len(stack.parts) == 1 and len(set(letters)) == len(letters) and set(letters) <= set(PAGE_AXES):
            return dict(axes)
        return {"t": stack.count} if stack.count > 1 else {}

    def _read(self, index: tuple[int | slice, ...]) -> np.ndarray:
        *pages, rows, columns = cast(Any, index)
        channels = [pages.pop()] if "c" in self.axes else []
        page = int(np.ravel_multi_index(pages, self.page_shape)) if pages else 0
        region = tiff.read_region(self.path, page, rows, columns)
        pixels = np.moveaxis(region, -1, 0)
        return pixels[channels[0]] if channels else pixels[0]
