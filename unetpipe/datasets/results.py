"""A result folder of the Cell Tracking Challenge (``NN_RES``): ``maskNNN.tif``, and ``res_track.txt`` once linked."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from unetpipe.datasets.ctc import numbered_files
from unetpipe.datasets.masks import check_numbered
from unetpipe.errors import InputError
from unetpipe.io.images import LARGEST_LABEL, read_stored

TRACK_TABLE = "res_track.txt"


def result_masks(folder: str | os.PathLike) -> dict[int, Path]:
    """Return the masks of a result folder by frame, in the order of time.

    Raises
    ------
    InputError
        If there is no such folder, it holds none, or two files are of one frame.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no result folder {folder}.")
    masks = numbered_files(folder, r"mask(\d{3,})\.tiff?")
    short = [path for path in sorted(folder.iterdir()) if re.fullmatch(r"mask\d{1,2}\.tiff?", path.name)]
    if not masks and short:
        raise InputError(
            f"{short[0]}: the number of a frame has at least three digits in a Cell Tracking Challenge result; rename "
            f"it to mask{int(short[0].stem[4:]):03d}.tif, and the others likewise."
        )
    if not masks:
        raise InputError(f"{folder} is not a result of the Cell Tracking Challenge: it holds no maskNNN.tif.")
    return dict(sorted(masks.items()))


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """Read the cell ids of a mask (H, W), in the file's own integer dtype.

    Raises
    ------
    InputError
        If the file cannot be read, has several channels or pages, or holds other values than whole numbers
        from 0 to 65535.
    """
    array = read_stored(path)
    if array.shape[0] != 1:
        raise InputError(f"{path} has {array.shape[0]} channels; a mask has one, of cell ids.")
    if array.dtype.kind == "f":
        raise InputError(f"{path} holds {array.dtype}; a mask holds whole numbers, the cells' ids, in 16 bits.")
    if array.min() < 0:
        raise InputError(f"{path} holds negative values; a mask holds cell ids from 0.")
    if array.max() > LARGEST_LABEL:
        raise InputError(f"{path} holds the label {array.max()}; a mask holds 16-bit labels, at most {LARGEST_LABEL}.")
    check_numbered(array[0], path)
    return array[0]


def mask_names(frames: Collection[int], stem: str = "mask", listed: int = 5) -> str:
    """Name the files of frames in a sentence: "mask003.tif, mask004.tif and 7 more"."""
    first = sorted(frames)[:listed]
    more = f" and {len(frames) - len(first)} more" if len(frames) > len(first) else ""
    return ", ".join(f"{stem}{frame:03d}.tif" for frame in first) + more
