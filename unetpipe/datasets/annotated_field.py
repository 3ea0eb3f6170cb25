"""Tissues whose cells fill a field, such as the corneal endothelium: images, cell borders, and the annotated field.

``images/``, ``borders/`` and ``field/`` hold files of one name. A pixel of ``borders`` that is not 0 is a border
between cells; inside ``field`` (not 0) everything is annotated, outside it nothing is known. The cells are the
4-connected components of what is field and not border.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unetpipe.datasets.masks import components
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import image_stem, images_in
from unetpipe.io.images import read_labels


def is_borders(root: Path) -> bool:
    """Return whether a folder holds the folders ``images`` and ``borders``."""
    return (root / "images").is_dir() and (root / "borders").is_dir()


def border_records(dataset_dir: str | os.PathLike, complain: Callable[[str], None] = stop) -> list[dict[str, Any]]:
    """List the images that have borders, as frames 0, 1 … of the sequence "images", in the order of their names.

    Parameters
    ----------
    dataset_dir : path
        The folder that holds ``images``, ``borders`` and ``field``.
    complain : callable
        Given one sentence for each thing that is wrong; by default raises InputError at the first.

    Returns
    -------
    list of dict
        As :func:`unetpipe.datasets.find_records` describes it, and "field" (path).

    Raises
    ------
    InputError
        If two files of a folder have one name.
    """
    root = Path(dataset_dir)
    images, borders, fields = (_by_stem(root / name) for name in ("images", "borders", "field"))
    records: list[dict[str, Any]] = []
    for stem, border in borders.items():
        if stem not in images or stem not in fields:
            missing = root / ("field" if stem in images else "images")
            complain(f"{border} has no file {stem} in {missing}; images, borders and field have files of one name.")
            continue
        place = {"sequence": "images", "frame": len(records), "mask_name": f"{stem}_mask.tif", "masks": "borders"}
        records.append({"image": str(images[stem]), "label": str(border), "field": str(fields[stem]), **place})
    if not records:
        complain(f"No image in {root} has borders; images, borders and field have files of one name.")
    return records


def read_cells(borders: str | os.PathLike, field: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read the cells as an instance map (H, W), int32, and the annotated field as a mask (H, W), bool.

    Raises
    ------
    InputError
        If a file cannot be read, or the two differ in size.
    """
    border, known = read_labels(borders) > 0, read_labels(field) > 0
    if border.shape != known.shape:
        raise InputError(
            f"{field} is {known.shape[0]}×{known.shape[1]} pixels (height × width), {borders} is "
            f"{border.shape[0]}×{border.shape[1]}; they must be alike."
        )
    return components((known & ~border).astype(np.int32)), known


def _by_stem(folder: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in images_in(folder) if folder.is_dir() else []:
        other = named.setdefault(image_stem(path), path)
        if other != path:
            raise InputError(f"{other} and {path} have one name; keep one of them.")
    return named
