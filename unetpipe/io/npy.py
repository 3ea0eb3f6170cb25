"""Stacks as NumPy files (N, H, W) or (N, H, W, C): ``images.npy`` with ``masks.npy``, such as sets of CT slices.

Masks are 0 … 1, the share of a pixel that is foreground (masks scaled down have such); above a half counts. Files
are mapped into memory, never unpickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from unetpipe.errors import InputError, stop
from unetpipe.files import first_line

IMAGES, MASKS = "images.npy", "masks.npy"
# the last four are NumPy's, of a header that is no Python literal or has an absurd shape
DECODING_ERRORS = (OSError, ValueError, EOFError, TokenError, SyntaxError, TypeError, OverflowError)


def is_arrays(root: Path) -> bool:
    """Return whether a folder holds one of the two files."""
    return (root / IMAGES).is_file() or (root / MASKS).is_file()


def count_arrays(path: str | os.PathLike) -> int:
    """Return N of a file (N, H, W) or (N, H, W, C); InputError if it cannot be read or is none."""
    return len(_open(path))


def read_array(path: str | os.PathLike, page: int) -> np.ndarray:
    """Read one image as (H, W) or (H, W, C), in the file's dtype."""
    array = np.array(_open(path)[page])
    return array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array


def read_share(path: str | os.PathLike, page: int) -> np.ndarray:
    """Read one mask as (H, W), bool: where the share of the foreground is above a half; InputError outside 0 … 1."""
    share = read_array(path, page)
    if share.ndim != 2 or not (share.min() >= 0 and share.max() <= 1):
        raise InputError(f"{path}, page {page}, is no mask: it must hold shares 0 … 1 in one channel.")
    return share > 0.5


def array_records(dataset_dir: str | os.PathLike, complain: Callable[[str], None] = stop) -> list[dict[str, Any]]:
    """List the images of ``images.npy`` with their masks: sequence "images", frames 0, 1 ….

    Parameters and result are those of :func:`unetpipe.data.isbi2012.isbi2012_records`.
    """
    images, masks = Path(dataset_dir) / IMAGES, Path(dataset_dir) / MASKS
    try:
        for path, other in ((images, masks), (masks, images)):
            if not path.is_file():
                raise InputError(f"There is no {path} beside {other.name}.")
        shapes = [_open(path).shape[:3] for path in (images, masks)]
        if shapes[0] != shapes[1]:
            raise InputError(f"{masks} is {shapes[1]} (images, height, width), {images} is {shapes[0]}.")
    except InputError as error:
        complain(str(error))
        return []
    record = {"image": str(images), "label": str(masks), "sequence": "images", "masks": "shares"}
    return [
        {**record, "frame": page, "page": page, "mask_name": f"images/mask{page:03d}.tif"}
        for page in range(shapes[0][0])
    ]


def _open(path: str | os.PathLike) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # of an absurd shape; the file is then too short
            array = np.lib.format.open_memmap(path, mode="r")
    except DECODING_ERRORS as error:
        raise InputError(f"{path} cannot be read as a NumPy array ({first_line(error)}); is it complete?") from error
    if array.ndim not in (3, 4) or array.dtype.kind not in "buif" or 0 in array.shape:
        raise InputError(f"{path} is {array.dtype} {array.shape}; it must hold numbers as (N, H, W) or (N, H, W, C).")
    return array
