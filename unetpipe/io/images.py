"""Read images and write label maps in any format: rows are y, columns are x, whatever the file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.files import replacing
from unetpipe.io import png, tiff
from unetpipe.io.formats import LABEL_SUFFIXES, LabelFormat, format_of, image_suffix
from unetpipe.io.microscopes import CONVERT

LARGEST_LABEL = 65535
WITHOUT_READER = (".oib", ".oif", ".vsi", ".lsm", ".ims", ".svs", ".zvi")  # of microscopes
LARGEST_ROUNDING = 1 / 512  # of the range of the grey values, as 8 bits round them
ABSURD = 1e18  # its square is still a float32, so that means and deviations can be computed below it


def count_pages(path: str | os.PathLike) -> int:
    """Return the number of pages of a TIFF, slices of a NIfTI volume or images of a NumPy or MNIST stack; 1 for a PNG.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    """
    path = _existing(path)
    return format_of(path).count_pages(path)


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Return (height, width) of an image, or of its first page; raises as :func:`count_pages`."""
    path = _existing(path)
    return format_of(path).size(path)


def check_same_sizes(path: str | os.PathLike, other: str | os.PathLike) -> None:
    """Raise InputError unless two images, or their first pages, have the same size; raises as count_pages."""
    size, needed = image_size(path), image_size(other)
    if size != needed:
        raise InputError(
            f"{path} is {size[0]}×{size[1]} pixels (height × width), {other} is {needed[0]}×{needed[1]}; they must be "
            "alike."
        )


def read_image(path: str | os.PathLike, page: int | None = None) -> np.ndarray:
    """Read a TIFF, a PNG, a slice of a NIfTI volume or an image of a NumPy or MNIST stack.

    Returns (C, H, W) in the file's own dtype (bool for 1-bit images). The module of each format in :mod:`unetpipe.io`
    says what its colours and axes mean.

    Parameters
    ----------
    path : path
        The file.
    page : int, optional
        Page of a multi-page TIFF, slice of a volume or image of a stack, from 0. A file of one page needs none.

    Raises
    ------
    InputError
        If there is no such file or page, it cannot be decoded, it has several pages and none was
        named, or it holds values that are NaN, infinite or above 10¹⁸.
    """
    return _read(_existing(path), page, labels=False)


def read_stored(path: str | os.PathLike, page: int | None = None) -> np.ndarray:
    """Read a mask as :func:`read_image` reads an image, but with the numbers that are stored, whatever their colours.

    A palette image gives its indices, and white that is stored as 0 stays 0.
    """
    return _read(_existing(path), page, labels=True)


def read_labels(path: str | os.PathLike, page: int | None = None) -> np.ndarray:
    """Read a label map as (H, W), int32. A palette image gives its indices; three equal channels count as one.

    Raises
    ------
    InputError
        If it cannot be read, has several channels, or holds values that are not integers from 0 to 2³¹ − 1.
    """
    path = _existing(path)
    array = _read(path, page, labels=True)
    name = image_name(path, page if format_of(path).count_pages(path) > 1 else None)
    if array.shape[0] != 1 and not (array == array[:1]).all():
        raise InputError(f"{name} has {array.shape[0]} channels; a label map has one.")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise InputError(
            f"{name} holds values that are not whole numbers; a label map holds cell ids, 0 for background."
        )
    if array.min() < 0:
        raise InputError(f"{name} holds negative values; a label map holds cell ids, 0 for background.")
    if array.max() >= 2**31:
        raise InputError(f"{name} holds the value {array.max():.0f}; cell ids are at most {2**31 - 1}.")
    return array[0].astype(np.int32)


def write_labels(path: str | os.PathLike, labels: np.ndarray) -> None:
    """Write an instance map (H, W) as a 16-bit TIFF; the file appears under its name only when complete.

    Raises
    ------
    InputError
        If there are ids above 65535, or the folder cannot be written.
    """
    write_label_pages(path, [labels])


def write_label_pages(
    path: str | os.PathLike, labels: Sequence[np.ndarray], source: str | os.PathLike | None = None
) -> None:
    """Write instance maps (H, W) as the pages of a 16-bit TIFF or, by the suffix, the slices of a NIfTI volume.

    The file appears under its name only when complete.

    Parameters
    ----------
    path : path
        NAME.tif, NAME.nii or NAME.nii.gz.
    labels : sequence of ndarray
        (H, W), integers 0 … 65535.
    source : path, optional
        The NIfTI volume that was segmented: a volume takes its axes, affine and units.

    Raises
    ------
    InputError
        If there are ids above 65535, or the folder cannot be written.
    """
    for page in labels:
        check_ids(path, page)
    kind = format_of(path)
    if not isinstance(kind, LabelFormat):
        raise InputError(f"{path} cannot be written: masks are {', '.join(LABEL_SUFFIXES)} files.")
    with replacing(path, image_suffix(path) or None) as temporary:
        kind.write_label_pages(temporary, labels, None if source is None else Path(source))


def write_image_pages(path: str | os.PathLike, pages: Sequence[np.ndarray]) -> None:
    """Write images as the pages of a TIFF; :func:`read_image` returns the same numbers.

    The file appears under its name only when complete.

    Parameters
    ----------
    path : path
        NAME.tif.
    pages : sequence of ndarray
        (C, H, W), alike in shape and dtype: bool, integer or float. Bool becomes uint8, 0 and 1.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    with replacing(path) as temporary:
        tiff.write_image_pages(temporary, pages)


def check_ids(path: str | os.PathLike, labels: np.ndarray) -> None:
    """Raise InputError if an instance map that is to be written to ``path`` does not fit 16 bits."""
    if labels.max(initial=0) > LARGEST_LABEL or labels.min(initial=0) < 0:
        raise InputError(
            f"{path} would need cell ids from {labels.min()} to {labels.max()}; "
            f"a 16-bit label map holds 0 to {LARGEST_LABEL}."
        )


def write_picture(path: str | os.PathLike, picture: Image.Image, **options: Any) -> None:
    """Save a Pillow image; the file appears under its name only when complete."""
    with replacing(path) as temporary:
        png.write(temporary, picture, **options)


def check_pixels(pixels: np.ndarray, name: str) -> None:
    """Raise InputError if pixels of the image of that name are NaN, infinite or above 10¹⁸."""
    if pixels.dtype.kind == "f" and not (np.abs(pixels) <= min(ABSURD, float(np.finfo(pixels.dtype).max))).all():
        what = "NaN or infinite" if not np.isfinite(pixels).all() else f"{np.abs(pixels).max():.2g} or so (no data?)"
        raise InputError(f"{name} holds pixels that are {what}; replace them by numbers first.")


def rounding(pixels: np.ndarray) -> np.ndarray:
    """Return what float32, in which networks compute, does to the values of each channel of (C, H, W).

    Returns
    -------
    ndarray
        (3, C), float64: the most by which it changes a value, the lowest value, and the highest. All are 0 if float32
        can hold every value of the dtype.
    """
    if np.can_cast(pixels.dtype, np.float32):
        return np.zeros((3, len(pixels)))
    exact = pixels.astype(np.float64).reshape(len(pixels), -1)
    return np.stack([np.abs(exact - exact.astype(np.float32)).max(axis=1), exact.min(axis=1), exact.max(axis=1)])


def check_rounding(changes: np.ndarray, name: str) -> None:
    """Raise InputError if float32 would blur differences between grey values more than 8 bits do.

    Parameters
    ----------
    changes : ndarray
        (3, C), as :func:`rounding` returns them for the whole image.
    name : str
        What the sentence calls the image.

    Examples
    --------
    >>> check_rounding(rounding(np.array([[[0, 255]]])), "a.tif")
    >>> check_rounding(rounding(np.array([[[0, 255]]]) + 4_000_000_000), "a.tif")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    unetpipe.errors.InputError: a.tif has grey values that differ too little for their size (4e+09 to 4e+09): ...
    """
    most, lowest, highest = changes
    blurred = np.flatnonzero((highest > lowest) & (most > LARGEST_ROUNDING * (highest - lowest)))
    if blurred.size:
        first = blurred[0]
        raise InputError(
            f"{name} has grey values that differ too little for their size ({lowest[first]:g} to {highest[first]:g}): "
            "networks compute in float32, which cannot tell them apart; subtract the lowest value first, or scale them."
        )


def _read(path: Path, page: int | None, labels: bool) -> np.ndarray:
    """Read (C, H, W), finite."""
    kind = format_of(path)
    pages = kind.count_pages(path)
    if page is None and pages > 1:
        raise InputError(f"{path} has {pages} pages; save each page as a separate file.")
    if page is not None and not 0 <= page < pages:
        raise InputError(f"{path} has no page {page}; it has {pages}, counted from 0.")
    array = kind.read_page(path, page or 0, labels)
    check_pixels(array, image_name(path, page if pages > 1 else None))
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def _existing(path: str | os.PathLike) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no image file {path}.")
    if path.suffix.lower() in WITHOUT_READER:
        raise InputError(f"{path} is in a microscope's own format; {CONVERT}.")
    return path


def image_name(path: str | os.PathLike, page: int | None) -> str:
    """Return what a sentence calls an image, or a page of it."""
    return str(path) if page is None else f"{path}, page {page},"
