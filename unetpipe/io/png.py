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
from PIL import Image, UnidentifiedImageError

from unetpipe.errors import InputError
from unetpipe.files import check_fits, unreadable

Image.MAX_IMAGE_PIXELS = None  # what a file cannot hold is refused below
SUFFIXES = (".png",)
LARGEST_RATIO = 1033  # bytes that a byte of a PNG can stand for
KIND = "an image"
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
    """Read a page without alpha; of a palette image the indices if it holds labels, else the colours."""
    try:
        with Image.open(path) as picture:
            _check(path, picture)
            picture.seek(page)
            raw_mode = _raw_mode(picture)
            if ";16" in raw_mode and picture.mode in ("RGB", "RGBA", "LA"):  # Pillow would cut them to 8 bit
                array = _decode_deep_colours(path, raw_mode)
            elif picture.mode in ("CMYK", "YCbCr", "PA") or (picture.mode == "P" and not labels):
                return np.array(picture.convert("RGB"))
            else:
                array = np.array(picture)
            return _without_alpha(array) if picture.mode in ALPHA else array
    except InputError:
        raise
    except DECODING_ERRORS as error:
        raise unreadable(path, KIND, error) from error


def _check(path: Path, picture: Image.Image) -> None:
    """Raise OSError if the file cannot hold what its header claims, InputError if the memory cannot."""
    if picture.format == "TIFF":
        raise OSError("it is a TIFF file; name it .tif")
    needed = picture.width * picture.height * len(picture.getbands())
    if picture.format == "PNG" and needed > 8 * LARGEST_RATIO * path.stat().st_size:
        raise OSError(f"its header claims {needed} bytes, more than so small a file can hold")
    check_fits(path, needed)


def _raw_mode(picture: Image.Image) -> str:
    """Return how Pillow calls the order of bits in the file: "RGB;16B"."""
    tiles = getattr(picture, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else str(next(iter(arguments or ("",))))


def _decode_deep_colours(path: Path, raw_mode: str) -> np.ndarray:
    """Read 16-bit colours as (H, W, 3 or 4), uint16."""
    if raw_mode.startswith("LA"):
        raise OSError("it has 16-bit grey values with an alpha channel; save it without alpha")
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
