"""Stacks as NumPy files (N, H, W) or (N, H, W, C). Files are mapped into memory, never unpickled."""

from __future__ import annotations

import os
from pathlib import Path
from tokenize import TokenError

import numpy as np

from unetpipe.errors import InputError
from unetpipe.files import unreadable

SUFFIXES = (".npy",)
# the last four are NumPy's, of a header that is not a Python literal or has an absurd shape
DECODING_ERRORS = (OSError, ValueError, EOFError, TokenError, SyntaxError, TypeError, OverflowError)


def count_pages(path: Path) -> int:
    """Return N."""
    return len(open_array(path))


def size(path: Path) -> tuple[int, int]:
    """Return (H, W)."""
    height, width = open_array(path).shape[1:3]
    return height, width


def read_page(path: str | os.PathLike, page: int, labels: bool = False) -> np.ndarray:
    """Read one image as (H, W) or (H, W, C), in the file's dtype."""
    array = np.array(open_array(path)[page])
    return array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array


def read_share(path: str | os.PathLike, page: int) -> np.ndarray:
    """Read one mask as (H, W), bool: True where the share is above one half; InputError if one is not in 0 … 1."""
    share = read_page(path, page)
    if share.ndim != 2 or not (share.min() >= 0 and share.max() <= 1):
        raise InputError(f"{path}, page {page}, is not a mask: a mask holds shares 0 … 1 in one channel.")
    return share > 0.5


def open_array(path: str | os.PathLike) -> np.ndarray:
    """Map a file (N, H, W) or (N, H, W, C) into memory; InputError if it cannot be read or has another shape."""
    try:
        with np.errstate(over="ignore"):  # of an absurd shape; the file is then too short
            array = np.lib.format.open_memmap(path, mode="r")
    except DECODING_ERRORS as error:
        raise unreadable(path, "a NumPy array", error) from error
    if array.ndim not in (3, 4) or array.dtype.kind not in "buif" or 0 in array.shape:
        raise InputError(f"{path} is {array.dtype} {array.shape}; it must hold numbers as (N, H, W) or (N, H, W, C).")
    return array
