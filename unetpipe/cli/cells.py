"""What ``measure`` and ``segment`` share: tables of cells, and cells for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unetpipe.errors import InputError
from unetpipe.export import CELL_EXPORTS, export_cells, load_export

if TYPE_CHECKING:
    from unetpipe.datasets.labelled_pages import MaskFile
    from unetpipe.morphometry import LabelledPage


def add_export_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--export``, which may be given several times."""
    parser.add_argument(
        "--export",
        action="append",
        choices=tuple(CELL_EXPORTS),
        default=[],
        help="also write the cells for another program: ROIs for ImageJ, detections for QuPath (geojson), LabelMe, "
        "COCO JSON, tracks as GEFF, or pictures of the images with the outlines of the cells (outlines); may be given "
        "several times (default: none)",
    )


def check_exports(names: Sequence[str]) -> None:
    """Raise InputError if a package that an export needs is not installed. Call it before the long work."""
    for name in names:
        load_export(name)


def check_exports_of_parts(names: Sequence[str]) -> None:
    """Raise InputError if an export needs whole images. Call it before files of an earlier run are removed."""
    if "outlines" in names:
        raise InputError(
            "--export outlines needs images that fit into memory; OME-Zarr, and TIFF larger than memory, are read in "
            "parts. Leave out this export; napari shows such images with their cells."
        )


def check_exports_of_masks(names: Sequence[str], masks: Iterable[MaskFile]) -> None:
    """Raise InputError if an export needs tracks and masks have none. Call it before files of an earlier run go."""
    if "geff" not in names:
        return
    from unetpipe.export.geff import not_linked

    for mask in masks:
        if mask.track_table is None:
            raise not_linked(mask.image)


def remove_old(folder: Path, *kinds: str) -> None:
    """Remove tables and exports of earlier masks, and say so (:func:`unetpipe.io.derived.remove_derived`)."""
    from unetpipe.io.derived import remove_derived

    for sentence in remove_derived(folder, *kinds):
        print(sentence)


def write_cells(
    output: Path,
    pages: Callable[[], Iterable[LabelledPage]],
    exports: Sequence[str],
    table: bool = True,
    before_writing: Callable[[], object] = lambda: None,
) -> None:
    """Write the table of cells and the exports to a folder, note them there, and say where.

    Parameters
    ----------
    output : Path
        The folder.
    pages : callable
        Returns the pages; it is called for the table and for each export.
    exports : sequence of str
        Names of exports.
    table : bool
        Whether to write the table.
    before_writing : callable
        Called, for a table, when all pages are read and measured, before the first file is written.
    """
    from unetpipe.io.derived import CELLS, note_derived

    if table:
        from unetpipe.export.table import write_cell_table

        written = write_cell_table(output, pages(), before_writing)
        note_derived(output, CELLS, written.paths)
        print(f"Cells: {written.cells} in {' and '.join(map(str, written.paths))}")
        if written.in_pieces:
            print(f"In several pieces: {written.in_pieces}, such as {', '.join(written.examples)}")
    for name in dict.fromkeys(exports):
        paths = export_cells(name, output, pages())
        note_derived(output, CELLS, paths)
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        print(f"For {name}: {paths[0]}{more}" if paths else f"For {name}: nothing")
