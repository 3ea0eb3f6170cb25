"""PNG, and other pictures that Pillow knows, such as JPEG.

Colours are kept in 8 and 16 bit; palettes are turned to RGB; an alpha channel is left out.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from unetpipe.errors import InputError
from unetpipe.files import check_fits, unreadable

Image.MAX_IMAGE_PIXELS = None  # what a file cannot hold is refused below
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 2**28  # bytes; microscopes keep their settings there
SUFFIXES = (".png",)
LARGEST_RATIO = 1033  # bytes that a byte of a PNG can stand for
KIND = "an image"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK = 12  # bytes that a chunk has at least: length, kind, checksum
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a pixel, by the type of colour
SPREAD = {"L;2": 85, "L;4": 17}  # by what Pillow multiplies grey values of 2 and 4 bits
ALPHA = ("LA", "La", "RGBA", "RGBa", "PA")
DECODING_ERRORS = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    KeyError,
    TypeError,
    MemoryError,  # a damaged chunk may ask for more bytes than there are
)


def count_pages(path: Path) -> int:
    """Return the number of frames."""
    try:
        with Image.open(path) as picture:
            return getattr(picture, "n_frames", 1)
    except DECODING_ERRORS as error:
        raise unreadable(path, KIND, error) from error


def size(path: Path) -> tuple[int, int]:
    """Return (height, width) by the header."""
    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except DECODING_ERRORS as error:
        raise unreadable(path, KIND, error) from error


def read_page(path: Path, page: int, labels: bool) -> np.ndarray:
    """Read a page without alpha; a palette image gives its indices if it holds labels, else its colours."""
    try:
        with Image.open(path) as picture:
            _check(path, picture)
            picture.seek(page)
            raw_mode = _raw_mode(picture)
            if ";16" in raw_mode and picture.mode in ("RGB", "RGBA", "LA"):  # Pillow would cut them to 8 bit
                return _without_alpha(_decode_deep_colours(path))
            array = np.array(picture)
            if picture.format == "PNG" and page == 0:
                # rows that the file lacks are 0 until a palette colours them; of interlaced ones, only some pixels
                _check_chunks(path, rows=bool(picture.info.get("interlace")) or not array[-1].any())
            if picture.mode in ("CMYK", "YCbCr", "PA") or (picture.mode == "P" and not labels):
                array = np.array(picture.convert("RGB"))
            elif raw_mode in SPREAD:
                array = array // SPREAD[raw_mode]
            return _without_alpha(array) if picture.mode in ALPHA else array
    except InputError:
        raise
    except DECODING_ERRORS as error:
        raise unreadable(path, KIND, error) from error


def _check(path: Path, picture: Image.Image) -> None:
    """Raise OSError if the file cannot hold what its header claims, InputError if the memory cannot."""
    if picture.format == "TIFF":
        raise InputError(f"{path} is a TIFF file; name it .tif.")
    needed = picture.width * picture.height * len(picture.getbands())
    if picture.format == "PNG" and needed > 8 * LARGEST_RATIO * path.stat().st_size:
        raise OSError(f"its header claims {needed} bytes, more than so small a file can hold")
    check_fits(path, needed)


def _raw_mode(picture: Image.Image) -> str:
    """Return how Pillow calls the order of bits in the file: "RGB;16B"."""
    tiles = getattr(picture, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else str(next(iter(arguments or ("",))))


def _check_chunks(path: Path, rows: bool) -> None:
    """Raise OSError if pixels of a PNG are damaged or, if ``rows`` says so, fewer than its header claims.

    Pillow reports neither: it does not compare the checksums of pixels, and it sets missing rows to 0.
    """
    content = memoryview(path.read_bytes())
    width, height, depth, colour, interlaced = struct.unpack_from(">IIBBxxB", content, len(SIGNATURE) + 8)
    needed = height * (-(-width * depth * SAMPLES[colour] // 8) + (not interlaced))  # and a byte that names the filter
    inflate, held, start = zlib.decompressobj(), 0, len(SIGNATURE)
    while start + CHUNK <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        end = start + 8 + length
        if kind == b"IDAT":
            if len(content) < end + 4:
                raise OSError("image file is truncated")
            if zlib.crc32(content[start + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
                raise OSError("its pixels do not have the checksum that the file states")
            if rows and held < needed:  # a small file may hold far more than that
                held += len(inflate.decompress(content[start + 8 : end], needed - held))
        start = end + 4
    if rows and held < needed:
        raise OSError(f"its header claims {needed} bytes, it holds {held}")


def _decode_deep_colours(path: Path) -> np.ndarray:
    """Read 16-bit colours as (H, W, 2, 3 or 4), uint16; the fourth is there if a colour counts as transparent."""
    import imagecodecs

    try:
        return imagecodecs.png_decode(path.read_bytes())
    except RuntimeError as error:
        raise OSError("its 16-bit colours cannot be decoded") from error


def _without_alpha(array: np.ndarray) -> np.ndarray:
    return array[..., 0] if array.shape[-1] == 2 else array[..., :3]


def write_label_pages(path: Path, pages: Sequence[np.ndarray], source: Path | None) -> None:
    """Write a PNG, or the pages of a TIFF, compressed."""
    first, *others = (Image.fromarray(page.astype(np.uint16)) for page in pages)
    more: dict[str, Any] = {"save_all": True, "append_images": others} if others else {}
    write(path, first, compression="tiff_adobe_deflate", **more)


def write(path: Path, picture: Image.Image, **options: Any) -> None:
    """Save a Pillow image in the format that the file's name says."""
    encoded = io.BytesIO()  # in memory first: on a full disk the TIFF library fails in ways of its own
    picture.save(encoded, format=Image.registered_extensions()[path.suffix.lower()], **options)
    path.write_bytes(encoded.getbuffer())
