"""The one place that recognises how a data set is laid out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unetpipe.datasets.annotated_field import border_records, is_borders
from unetpipe.datasets.ctc import ctc_records
from unetpipe.datasets.dsb2018 import dsb2018_records, is_dsb2018
from unetpipe.datasets.isbi2012 import is_isbi2012, isbi2012_records
from unetpipe.datasets.npy_stack import array_records, is_arrays
from unetpipe.datasets.paired_folders import folder_records, is_paired
from unetpipe.errors import InputError, stop

LAYOUTS = {
    "ctc": "Cell Tracking Challenge (01/tNNN.tif with 01_GT/SEG/man_segNNN.tif or 01_ST/SEG)",
    "isbi2012": "ISBI 2012 stacks (train-volume.tif with train-labels.tif)",
    "folders": "paired folders (images/ with masks/ or labels/: PNG, TIFF or NIfTI files of one name)",
    "dsb2018": "Data Science Bowl 2018 (ID/images/ID.png with ID/masks/*.png, one file a nucleus)",
    "borders": "cells that fill a field (images/ with borders/ and field/: files of one name)",
    "arrays": "NumPy stacks (images.npy with masks.npy)",
}


def recognise(folder: str | os.PathLike) -> str:
    """Return the layout of a folder, one of the keys of ``LAYOUTS``.

    Raises
    ------
    InputError
        If there is no such folder, it is empty, or none of these.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"There is no data folder {root}.")
    if is_isbi2012(root):
        return "isbi2012"
    if is_arrays(root):
        return "arrays"
    if is_paired(root):
        return "folders"
    if is_borders(root):
        return "borders"
    if any(path.is_dir() and re.fullmatch(r"\d{2,}(_GT|_ST)?", path.name) for path in root.iterdir()):
        return "ctc"
    if is_dsb2018(root):
        return "dsb2018"
    empty = not any(root.iterdir())
    raise InputError(
        f"{root} {'is empty' if empty else 'is laid out in no way that is recognised'}; recognised are: "
        f"{'; '.join(LAYOUTS.values())}."
    )


def find_records(
    dataset_dir: str | os.PathLike,
    truth: str = "gold+silver",
    masks: str = "auto",
    complain: Callable[[str], None] = stop,
) -> list[dict[str, Any]]:
    """List the frames of a data set that have truth, by sequence and time, whatever its layout.

    Parameters
    ----------
    dataset_dir : path
        The data set's folder.
    truth : {"gold+silver", "gold", "silver"}
        Which truth of a Cell Tracking Challenge set is meant; the other layouts have but one.
    masks : {"auto", "instances", "classes"}
        What the values in the masks of paired folders are (:func:`unetpipe.datasets.paired_folders.folder_records`).
    complain : callable
        Given one sentence for each thing that is wrong with the folder's files; by default raises
        InputError at the first.

    Returns
    -------
    list of dict
        "image" and "label" (paths), "sequence" (str), "frame" (int), "mask_name" (path of a mask below an output
        folder). In files of several pages "page" (int), of image and label alike. "masks" ("instances", "classes",
        "binary", "files", "borders", "shares") where labels may be something else than instance maps.
        :func:`unetpipe.datasets.ctc_records` and :func:`unetpipe.datasets.border_records` add their own.

    Raises
    ------
    InputError
        If the folder is missing or of no known layout, a mask has no image, or no frame has truth.
    """
    layout = recognise(dataset_dir)
    if layout == "isbi2012":
        return isbi2012_records(dataset_dir, complain)
    if layout == "arrays":
        return array_records(dataset_dir, complain)
    if layout == "folders":
        return folder_records(dataset_dir, masks, complain)
    if layout == "dsb2018":
        return dsb2018_records(dataset_dir, complain)
    if layout == "borders":
        return border_records(dataset_dir, complain)
    return ctc_records(dataset_dir, truth, complain)
