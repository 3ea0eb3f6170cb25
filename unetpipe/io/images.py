"""Reading images and writing label maps: the only place that knows the order of pixels in a file."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import itk
import numpy as np
from PIL import Image, UnidentifiedImageError

from unetpipe.errors import InputError
from unetpipe.files import first_line, replacing
from unetpipe.io.formats import IMAGE_SUFFIXES, image_suffix, is_array, is_nifti
from unetpipe.io.idx import is_idx, read_idx
from unetpipe.io.nifti import count_slices, read_slice, write_label_slices
from unetpipe.io.npy import count_arrays, read_array

__all__ = [
    "IMAGE_SUFFIXES",
    "check_ids",
    "count_pages",
    "image_size",
    "read_image",
    "read_labels",
    "write_label_pages",
    "write_labels",
    "write_picture",
]

LARGEST_LABEL = 65535
ALPHA = ("LA", "La", "RGBA", "RGBa", "PA")
DECODING_ERRORS = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    KeyError,  # Pillow's, of damaged TIFF directories; so is the next
    TypeError,
    Image.DecompressionBombError,
)


def count_pages(path: str | os.PathLike) -> int:
    """Return the number of pages of a TIFF, slices of a NIfTI volume or images of a NumPy or MNIST stack; 1 for a PNG.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    """
    path = _existing(path)
    if is_nifti(path):
        return count_slices(path)
    if is_array(path):
        return count_arrays(path)
    if is_idx(path):
        return len(read_idx(path))
    try:
        with Image.open(path) as picture:
            return getattr(picture, "n_frames", 1)
    except DECODING_ERRORS as error:
        raise _unreadable(path, error) from error


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Return (height, width) of a TIFF or PNG without decoding it.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    """
    path = _existing(path)
    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except DECODING_ERRORS as error:
        raise _unreadable(path, error) from error


def read_image(path: str | os.PathLike, page: int | None = None) -> np.ndarray:
    """Read a TIFF, a PNG, a slice of a NIfTI volume or an image of a NumPy or MNIST stack.

    Returns (C, H, W) in the file's own dtype (bool for 1-bit images).

    Colours are kept in 8 and 16 bit; palettes are turned to RGB; an alpha channel is left out. For
    a NIfTI volume see :mod:`unetpipe.io.nifti` on its axes.

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
        named, or it holds NaN.
    """
    return _read(_existing(path), page, palette=False)


def read_labels(path: str | os.PathLike, page: int | None = None) -> np.ndarray:
    """Read a label map as (H, W), int32. Of a palette image the indices count; three equal channels count as one.

    Raises
    ------
    InputError
        If it cannot be read, has several channels, or holds values that are not integers from 0 to 2³¹ − 1.
    """
    array = _read(_existing(path), page, palette=True)
    name = _name(path, page)
    if array.shape[0] != 1 and not (array == array[:1]).all():
        raise InputError(f"{name} has {array.shape[0]} channels; a label map has one.")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise InputError(
            f"{name} holds values that are no whole numbers; a label map holds cell ids, 0 for background."
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
    if is_nifti(path) and source is not None:
        with replacing(path, image_suffix(path) or None) as temporary:
            write_label_slices(temporary, labels, source)
        return
    first, *others = (Image.fromarray(page.astype(np.uint16)) for page in labels)
    more: dict[str, Any] = {"save_all": True, "append_images": others} if others else {}
    write_picture(path, first, compression="tiff_adobe_deflate", **more)


def check_ids(path: str | os.PathLike, labels: np.ndarray) -> None:
    """Raise InputError if an instance map that is to be written to ``path`` does not fit 16 bits."""
    if labels.max(initial=0) > LARGEST_LABEL or labels.min(initial=0) < 0:
        raise InputError(
            f"{path} would need cell ids from {labels.min()} to {labels.max()}; "
            f"a 16-bit label map holds 0 to {LARGEST_LABEL}."
        )


def write_picture(path: str | os.PathLike, picture: Image.Image, **options: Any) -> None:
    """Save a Pillow image under a temporary name and rename it, making folders as needed."""
    encoded = io.BytesIO()  # in memory first: on a full disk the TIFF library fails in ways of its own
    picture.save(encoded, format=Image.registered_extensions()[Path(path).suffix.lower()], **options)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def _read(path: Path, page: int | None, palette: bool) -> np.ndarray:
    """Read (C, H, W), finite; ``palette`` keeps the indices of a palette image."""
    pages = count_pages(path)
    if page is None and pages > 1:
        raise InputError(f"{path} has {pages} pages; give one image a file.")
    if page is not None and not 0 <= page < pages:
        raise InputError(f"{path} has no page {page}; it has {pages}, counted from 0.")
    if is_nifti(path):
        array = read_slice(path, page or 0)
    elif is_array(path):
        array = read_array(path, page or 0)
    elif is_idx(path):
        array = read_idx(path)[page or 0]
    else:
        array = _decode(path, page or 0, palette)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{_name(path, page)} holds pixels that are NaN or infinite; replace them by numbers first.")
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def _decode(path: Path, page: int, palette: bool) -> np.ndarray:
    """Read a page of a TIFF or PNG as (H, W) or (H, W, C), without alpha."""
    try:
        with Image.open(path) as picture:
            picture.seek(page)
            raw_mode = _raw_mode(picture)
            if ";16" in raw_mode and picture.mode in ("RGB", "RGBA", "LA"):  # Pillow would cut them to 8 bit
                array = _decode_by_itk(path, page, raw_mode)
            elif picture.mode in ("CMYK", "YCbCr", "PA") or (picture.mode == "P" and not palette):
                return np.array(picture.convert("RGB"))
            else:
                array = np.array(picture)
            return _without_alpha(array) if picture.mode in ALPHA else array
    except DECODING_ERRORS as error:
        raise _unreadable(path, error) from error


def _raw_mode(picture: Image.Image) -> str:
    """Return how Pillow calls the order of bits in the file: "RGB;16B"."""
    tiles = getattr(picture, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else str(next(iter(arguments or ("",))))


def _decode_by_itk(path: Path, page: int, raw_mode: str) -> np.ndarray:
    """Read 16-bit colours as (H, W, 3 or 4), uint16."""
    if raw_mode.startswith("LA"):  # ITK mixes up the two
        raise OSError("it has 16-bit grey values with an alpha channel; save it without alpha")
    bands = 4 if raw_mode.startswith("RGBA") else 3
    try:
        # as float32, which holds 16 bits exactly: ITK for Python has no 16-bit colour images
        array = itk.array_from_image(itk.imread(str(path), itk.Vector[itk.F, bands])).astype(np.uint16)
    except RuntimeError as error:
        raise OSError("its 16-bit colours cannot be decoded") from error
    return array[page] if array.ndim == 4 else array


def _without_alpha(array: np.ndarray) -> np.ndarray:
    return array[..., 0] if array.shape[-1] == 2 else array[..., :3]


def _existing(path: str | os.PathLike) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no image file {path}.")
    return path


def _name(path: str | os.PathLike, page: int | None) -> str:
    return str(path) if page is None else f"{path}, page {page},"


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as an image ({first_line(error)}); is it complete?")
