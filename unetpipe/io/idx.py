"""MNIST's format: a file ``*-images-idx3-ubyte`` of all images (N, H, W), uint8, plain or gzip-compressed.

References
----------
http://yann.lecun.com/exdb/mnist: magic number 0x00000803, then N, H and W, big-endian, then the pixels by rows.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from unetpipe.errors import InputError
from unetpipe.files import first_line, remember

SUFFIXES = tuple(f"-images{part}idx3-ubyte{end}" for part in "-." for end in ("", ".gz"))
MAGIC, HEADER = 0x00000803, 16  # unsigned bytes with three axes; bytes before the pixels
MOST = 2**30  # bytes of pixels; MNIST has 47 million


def count_pages(path: Path) -> int:
    """Return N."""
    return len(read_idx(path))


def size(path: Path) -> tuple[int, int]:
    """Return (H, W)."""
    _, height, width = read_idx(path).shape
    return height, width


def read_page(path: Path, page: int, labels: bool) -> np.ndarray:
    """Return an image (H, W), uint8."""
    return read_idx(path)[page]


@remember(maxsize=2)
def read_idx(path: Path) -> np.ndarray:
    """Read all images of a file as (N, H, W), uint8; InputError if it cannot be read."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            header = file.read(HEADER)
            count = math.prod(max(part, 0) for part in struct.unpack(">4i", header.ljust(HEADER, b"\0"))[1:])
            content = header + file.read(min(count, MOST) + 1)  # a small file may decompress to any size
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be decompressed ({first_line(error)}); is it complete?") from error
    magic, *shape = np.frombuffer(content[:HEADER].ljust(HEADER, b"\0"), ">i4").tolist()
    if magic != MAGIC or min(shape) < 1 or len(content) != HEADER + math.prod(shape):
        raise InputError(
            f"{path} is not a complete idx file of images: its header says {tuple(shape)} bytes (number {magic:#010x}, "
            f"should be {MAGIC:#010x}), it holds {max(len(content) - HEADER, 0)}."
        )
    return np.frombuffer(content, np.uint8, offset=HEADER).reshape(shape)
