"""Tissues whose cells fill a field, such as the corneal endothelium: images, cell borders, and the annotated field.

``images/``, ``borders/`` and ``field/`` hold files of one name. A pixel of ``borders`` that is not 0 is a border
between cells; inside ``field`` (not 0) everything is annotated, outside it nothing is known. The cells are the
4-connected components of what is field and not border.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unetpipe.datasets.masks import components
from unetpipe.datasets.records import Record, mask_name
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import image_stem, images_in
from unetpipe.io.images import read_labels

NAME = "borders"
DESCRIPTION = "cells that fill a field (images/ with borders/ and field/: files of one name)"
FLAT = False


def matches(folder: Path) -> bool:
    """Return whether a folder holds the folders ``images`` and ``borders``."""
    return (folder / "images").is_dir() and (folder / "borders").is_dir()


def records(folder: Path, complain: Callable[[str], None] = stop, **_: str) -> list[Record]:
    """List the images that have borders, as frames 0, 1 … of the sequence "images", in the order of their names.

    Raises
    ------
    InputError
        If two files of a folder have one name.
    """
    images, borders, fields = (_by_stem(folder / name) for name in ("images", "borders", "field"))
    found: list[Record] = []
    for stem, border in borders.items():
        if stem not in images or stem not in fields:
            missing = folder / ("field" if stem in images else "images")
            complain(f"{border} has no file {stem} in {missing}; images, borders and field have files of one name.")
            continue
        found.append(
            Record(
                image=str(images[stem]),
                label=str(border),
                field=str(fields[stem]),
                sequence="images",
                frame=len(found),
                mask_name=f"{stem}_mask.tif",
                masks="borders",
            )
        )
    if not found:
        complain(f"No image in {folder} has borders; images, borders and field have files of one name.")
    return found


def images(folder: Path) -> list[tuple[Path, str]]:
    """List the files of ``images``."""
    return [(image, mask_name(image.name)) for image in images_in(folder / "images")]


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Read the cells as an instance map (H, W), int32, and the annotated field as a mask (H, W), bool.

    Raises
    ------
    InputError
        If a file cannot be read, or the two differ in size.
    """
    border, known = read_labels(record["label"]) > 0, read_labels(record["field"]) > 0
    if border.shape != known.shape:
        raise InputError(
            f"{record['field']} is {known.shape[0]}×{known.shape[1]} pixels (height × width), {record['label']} is "
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
