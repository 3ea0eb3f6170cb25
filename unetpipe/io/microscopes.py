"""ND2, CZI and LIF, as microscopes write them, read by bioio: each slice at each time is a page; C is kept.

They need the extra ``unetpipe[bioio]``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from unetpipe.errors import InputError
from unetpipe.files import check_fits, remember, unreadable

SUFFIXES = (".nd2", ".czi", ".lif")
KIND = "an image of a microscope"
CONVERT = "save it as OME-TIFF, as Fiji and bfconvert of Bio-Formats do"


def count_pages(path: Path) -> int:
    """Return the number of times and slices."""
    dims = _open(path).dims
    return int(dims.T * dims.Z)


def size(path: Path) -> tuple[int, int]:
    """Return (height, width)."""
    dims = _open(path).dims
    return int(dims.Y), int(dims.X)


def read_page(path: Path, page: int, labels: bool) -> np.ndarray:
    """Read a slice at a time as (H, W, C); the samples of colours are channels, too."""
    image = _open(path)
    time, depth = divmod(page, int(image.dims.Z))
    samples = int(image.dims.S) if "S" in image.dims.order else 1
    check_fits(path, math.prod((*size(path), int(image.dims.C), samples)) * np.dtype(image.dtype).itemsize)
    try:
        array = np.asarray(image.get_image_dask_data("YXCS" if samples > 1 else "YXC", T=time, Z=depth).compute())
    except Exception as error:  # each reader has its own exceptions
        raise unreadable(path, KIND, error) from error
    return array.reshape(*array.shape[:2], -1)


@remember(maxsize=8)
def _open(path: Path) -> Any:
    """Return bioio's image; InputError if it cannot be read, or is not one image of real numbers."""
    try:
        from bioio import BioImage
        from bioio_base.exceptions import UnsupportedFileFormatError
    except ImportError as error:
        raise InputError(
            f'{path} is in a microscope\'s own format: pip install "unetpipe[bioio]" reads it ({error}); or {CONVERT}.'
        ) from error
    try:
        image = BioImage(path)
        scenes, kind = len(image.scenes), np.dtype(image.dtype).kind
        _ = image.dims
    except UnsupportedFileFormatError as error:
        raise InputError(f"{path} has no reader among the installed packages of bioio; {CONVERT}.") from error
    except Exception as error:
        raise unreadable(path, KIND, error) from error
    if scenes > 1:
        raise InputError(f"{path} holds {scenes} images; save each as a separate OME-TIFF.")
    if kind not in "buif":
        raise InputError(f"{path} holds {image.dtype}; pixels must be real numbers.")
    return image
