"""The one list of image formats, and the part of a file's name that names the image.

A new format is a module with the members of :class:`Format`, and an entry in ``FORMATS``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from unetpipe.io import idx, itk_formats, meta_image, microscopes, nifti, npy, png, tiff


class Format(Protocol):
    """A kind of image file. A module whose constants and functions are these is one."""

    @property
    def SUFFIXES(self) -> tuple[str, ...]:
        """How names of such files end, in lower case."""

    def count_pages(self, path: Path) -> int:
        """Return the number of images in a file; InputError if it cannot be read."""

    def size(self, path: Path) -> tuple[int, int]:
        """Return (height, width) of the first page, if possible without decoding it; InputError as above."""

    def read_page(self, path: Path, page: int, labels: bool) -> np.ndarray:
        """Read a page that exists as (H, W) or (H, W, C), in the file's own dtype; InputError as above.

        ``labels`` says that the numbers in the file count, not the colours that they stand for.
        """


@runtime_checkable
class LabelFormat(Format, Protocol):
    """A format that instance maps are written in."""

    def write_label_pages(self, path: Path, pages: Sequence[np.ndarray], source: Path | None) -> None:
        """Write label maps (H, W), 0 … 65535, as uint16; ``source`` is the image that they are of."""


FORMATS: tuple[Format, ...] = (tiff, png, npy, nifti, meta_image, itk_formats, microscopes, idx)
IMAGE_SUFFIXES = tuple(suffix for kind in FORMATS for suffix in kind.SUFFIXES)
LABEL_SUFFIXES = tuple(suffix for kind in FORMATS if isinstance(kind, LabelFormat) for suffix in kind.SUFFIXES)


def format_of(path: str | os.PathLike) -> Format:
    """Return the format that a file's name says; without one, that of PNG, which reads other pictures too."""
    suffix = image_suffix(path).lower()
    return next((kind for kind in FORMATS if suffix in kind.SUFFIXES), png)


def image_suffix(path: str | os.PathLike) -> str:
    """Return the suffix of an image file as it is written (".nii.gz" is one), or "" if it is not an image file."""
    name = Path(path).name
    for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[len(name) - len(suffix) :]
    return ""


def image_stem(path: str | os.PathLike) -> str:
    """Return the name without its suffix: brain.nii.gz → brain."""
    name = Path(path).name
    return name[: len(name) - len(image_suffix(name))] if image_suffix(name) else Path(name).stem


def is_nifti(path: str | os.PathLike) -> bool:
    """Return whether the name is that of a NIfTI volume."""
    return image_suffix(path).lower() in nifti.SUFFIXES


def is_volume(path: str | os.PathLike) -> bool:
    """Return whether the pages of such a file are slices of a body, as in medical images."""
    return format_of(path) in (nifti, itk_formats)


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder by name, without hidden files; numbers count as such: img_2 before img_10."""
    return sorted(
        (path for path in folder.iterdir() if image_suffix(path) and not path.name.startswith(".") and path.is_file()),
        key=natural_key,
    )


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Return what sorts files by name with numbers by value.

    Examples
    --------
    >>> [path.name for path in sorted(map(Path, ["a10.png", "a2.png", "a02.png"]), key=natural_key)]
    ['a02.png', 'a2.png', 'a10.png']
    """
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], path.name
