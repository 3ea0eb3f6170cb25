"""MetaImage: a header of text, then the pixels of a volume (K, H, W), of which a page is a slice (H, W).

The pixels follow the header (``.mha``) or are in the one file that it names (``.mhd``), plain or compressed by zlib.

References
----------
MetaIO, MetaImage reference: the keys of the header. ITK's own reader writes beyond its memory if a header is damaged.
"""

from __future__ import annotations

import math
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unetpipe.errors import InputError
from unetpipe.files import check_fits, misnamed, remember

SUFFIXES = (".mha", ".mhd")
TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
YES, NO = ("T", "t", "1"), ("F", "f", "0")
SEPARATED = re.compile(r"([^=:]*)[=:](.*)")  # a key and its value
HEADER = 2**16  # bytes; no header is longer
LARGEST_RATIO = 1100  # of zlib; it is 1032


class Pixels(NamedTuple):
    """Where the pixels of a volume are, and what they are like; ``start`` is their first byte in the file."""

    file: Path
    start: int
    packed: bool
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Number of bytes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


def count_pages(path: Path) -> int:
    """Return the number of slices."""
    shape = _header(path).shape
    return shape[0] if len(shape) > 2 else 1


def size(path: Path) -> tuple[int, int]:
    """Return (height, width) by the header."""
    height, width = _header(path).shape[-2:]
    return height, width


def read_page(path: Path, page: int, labels: bool) -> np.ndarray:
    """Read a slice as (H, W)."""
    return _volume(path)[page]


@remember(maxsize=8)
def _header(path: Path) -> Pixels:
    """Read the header; InputError if it is damaged or names what is not read, or the file cannot hold its pixels."""
    with path.open("rb") as file:
        content = file.read(HEADER)
    keys: dict[str, str] = {}
    start = first = len(BOM_UTF8) if content.startswith(BOM_UTF8) else 0  # of an editor
    while "ElementDataFile" not in keys:
        end = content.find(b"\n", start)
        line = SEPARATED.fullmatch(content[start : max(end, 0)].decode("latin-1"))
        if end < 0 or line is None:
            raise misnamed(path, content[first:])
        keys[line[1].strip()] = line[2].strip()
        start = end + 1
    try:
        sides = tuple(int(side) for side in reversed(keys["DimSize"].split()))
        axes, skipped = int(keys["NDims"]), int(keys.get("HeaderSize", "0"))
        channels = int(keys.get("ElementNumberOfChannels", "1"))
        kind = keys["ElementType"]
    except (KeyError, ValueError) as error:
        raise _damaged(path, f"its header lacks a number or {error}") from None
    shape = sides
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if len(sides) != axes or min(sides, default=0) < 1:
        raise _damaged(path, f"its header names {axes} axes of {sides} pixels")
    if not 2 <= len(shape) <= 3:
        raise InputError(f"{path} has the shape {shape}; a volume has two or three axes, and no time axis.")
    if channels != 1 or kind not in TYPES or not _is_true(path, keys, "BinaryData", "True"):
        raise InputError(f"{path} holds {channels} × {kind}; only grey values, in binary form, are read from it.")
    source = path
    if keys["ElementDataFile"] != "LOCAL":
        source, start = path.parent / keys["ElementDataFile"], max(skipped, 0)
        if source.parent != path.parent or not source.is_file():
            raise InputError(
                f"{path} names {keys['ElementDataFile']!r} for its pixels; that must be one file next to it."
            )
    high_first = _is_true(
        path, keys, "ElementByteOrderMSB" if "ElementByteOrderMSB" in keys else "BinaryDataByteOrderMSB"
    )
    packed = _is_true(path, keys, "CompressedData")
    pixels = Pixels(source, start, packed, np.dtype((">" if high_first else "<") + TYPES[kind]), shape)
    held = source.stat().st_size
    if skipped == -1 and not packed:  # the pixels are the end of the file
        pixels = pixels._replace(start=max(held - pixels.bytes, 0))
    most = (held - pixels.start) * (LARGEST_RATIO if packed else 1)
    if most < pixels.bytes:
        raise _damaged(path, f"its header claims {pixels.bytes} bytes, {source.name} holds {held}")
    check_fits(path, pixels.bytes)
    return pixels


@remember(maxsize=2)  # an image and its label
def _volume(path: Path) -> np.ndarray:
    """Read (K, H, W)."""
    pixels = _header(path)
    if pixels.packed:
        try:
            content = zlib.decompressobj().decompress(pixels.file.read_bytes()[pixels.start :], pixels.bytes)
        except zlib.error as error:
            raise _damaged(path, str(error)) from error
        if len(content) < pixels.bytes:
            raise _damaged(path, f"its header claims {pixels.bytes} bytes, there are {len(content)}")
        array = np.frombuffer(content, pixels.dtype)
    else:
        array = np.fromfile(pixels.file, pixels.dtype, math.prod(pixels.shape), offset=pixels.start)
    native = array.astype(pixels.dtype.newbyteorder("="), copy=False)
    return native.reshape(-1, *pixels.shape[-2:])


def _is_true(path: Path, keys: Mapping[str, str], key: str, default: str = "False") -> bool:
    """Return what a key says, by its first letter, as MetaIO does."""
    value = keys.get(key, default)
    if value[:1] not in YES + NO:
        raise InputError(f"{path} has the line {key} = {value}; it must be True or False.")
    return value[:1] in YES


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} cannot be read as an image ({what}); is it complete?")
