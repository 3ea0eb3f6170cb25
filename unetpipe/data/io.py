"""Reading images and writing label maps: the only place that knows the order of pixels in a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from unetpipe.errors import InputError

IMAGE_SUFFIXES = (".tif", ".tiff", ".png")
LARGEST_LABEL = 65535


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read a TIFF or PNG as (C, H, W) in the file's own dtype (bool for 1-bit images).

    Raises
    ------
    InputError
        If there is no such file, it cannot be decoded, it has several pages, or it holds NaN.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no image file {path}.")
    try:
        with Image.open(path) as picture:
            pages = getattr(picture, "n_frames", 1)
            if pages > 1:
                raise InputError(f"{path} has {pages} pages; give one image a file.")
            array = np.array(picture.convert("RGB") if picture.mode in ("P", "CMYK", "YCbCr") else picture)
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image ({_first_line(error)}); is it complete?") from error
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{path} holds pixels that are NaN or infinite; replace them by numbers first.")
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def read_labels(path: str | os.PathLike) -> np.ndarray:
    """Read an instance map as (H, W), int32.

    Raises
    ------
    InputError
        If it cannot be read, has several channels, or holds values that are not integers from 0.
    """
    array = read_image(path)
    if array.shape[0] != 1:
        raise InputError(f"{path} has {array.shape[0]} channels; a label map has one.")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise InputError(
            f"{path} holds values that are no whole numbers; a label map holds cell ids, 0 for background."
        )
    if array.min() < 0:
        raise InputError(f"{path} holds negative values; a label map holds cell ids, 0 for background.")
    return array[0].astype(np.int32)


def write_labels(path: str | os.PathLike, labels: np.ndarray) -> None:
    """Write an instance map (H, W) as a 16-bit TIFF; the file appears under its name only when complete.

    Raises
    ------
    InputError
        If there are ids above 65535, or the folder cannot be written.
    """
    if labels.max(initial=0) > LARGEST_LABEL or labels.min(initial=0) < 0:
        raise InputError(
            f"{path} would need cell ids from {labels.min()} to {labels.max()}; "
            f"a 16-bit label map holds 0 to {LARGEST_LABEL}."
        )
    write_picture(path, Image.fromarray(labels.astype(np.uint16)), compression="tiff_adobe_deflate")


def write_picture(path: str | os.PathLike, picture: Image.Image, **options: str) -> None:
    """Save a Pillow image under a temporary name and rename it, making folders as needed."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        try:
            picture.save(temporary, **options)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(f"{path} cannot be written ({_first_line(error)}).") from error


def check_folder(path: str | os.PathLike) -> None:
    """Raise InputError unless the folder exists and can be written, or can be made."""
    folder = Path(path).absolute()
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"The output folder {path} cannot be made: {nearest} is a file.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"The output folder {path} cannot be written: no permission in {nearest}.")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
