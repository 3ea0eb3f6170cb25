"""Cells and models for other programs: each format is one file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from unetpipe.errors import InputError

if TYPE_CHECKING:  # names of exports are known without loading what they need
    from unetpipe.morphometry.cells import LabelledPage

CELL_EXPORTS = {  # name: the module whose function write(folder, pages) writes the files and returns their paths
    "imagej": "unetpipe.export.imagej",
    "geojson": "unetpipe.export.geojson",
    "labelme": "unetpipe.export.labelme",
    "coco": "unetpipe.export.coco",
    "geff": "unetpipe.export.geff",
    "outlines": "unetpipe.export.outlines",
}


def export_cells(name: str, folder: str | os.PathLike, pages: Iterable[LabelledPage]) -> list[Path]:
    """Write cells for another program; files that are there already are replaced.

    Parameters
    ----------
    name : str
        One of :data:`CELL_EXPORTS`.
    folder : path
        Where the files go; it is made if need be.
    pages : iterable of LabelledPage
        Pages of one stack follow each other. One page at a time is in memory.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        If there is no such format, a package that it needs is not installed, or a file cannot be written.
    """
    return load_export(name).write(Path(folder), pages)


def load_export(name: str) -> ModuleType:
    """Return the module of an export; InputError if there is none, or a package that it needs is not installed."""
    if name not in CELL_EXPORTS:
        raise InputError(f"There is no export {name!r}; there are {', '.join(CELL_EXPORTS)}.")
    try:
        return import_module(CELL_EXPORTS[name])
    except ImportError as error:
        raise InputError(f'The export {name} needs what pip install "unetpipe[export]" installs ({error}).') from error
