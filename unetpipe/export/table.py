"""The table of cells: ``cells.csv``, one row a cell, and ``cells.parquet`` next to it if it is long."""

from __future__ import annotations

import csv
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from unetpipe.files import replacing
from unetpipe.io.tables import byte_order_mark
from unetpipe.morphometry.cells import COLUMNS, Columns, LabelledPage, measure_cutout

LONG = 100_000  # rows from which the table is written as Parquet too
EXAMPLES = 3  # cells in several pieces that are named


class CellTable(NamedTuple):
    """What was written.

    Attributes
    ----------
    paths : list of Path
        The files.
    cells : int
        Number of rows.
    in_pieces : int
        Number of cells that consist of several pieces.
    examples : list of str
        The first of these, such as "cell 6 of a.tif".
    """

    paths: list[Path]
    cells: int
    in_pieces: int
    examples: list[str]


def write_cell_table(
    folder: Path, pages: Iterable[LabelledPage], before_writing: Callable[[], object] = lambda: None
) -> CellTable:
    """Measure the cells of all pages and write their table; one page at a time is in memory.

    Columns are those of :func:`unetpipe.morphometry.measure_cells`, after ``image`` and ``page`` (of a file, or frame
    of a sequence; from 0). A column that no page has is left out; where a page lacks one, it is empty. Numbers have
    ten significant digits.

    Parameters
    ----------
    folder : path
        Gets ``cells.csv``, UTF-8, with a byte order mark if a name has letters beyond ASCII. A table of 100,000 rows or
        more is also written as ``cells.parquet`` if pyarrow is installed.
    pages : iterable of LabelledPage
    before_writing : callable
        Called when all pages are read and measured, before the first file is written.

    Returns
    -------
    CellTable

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    with tempfile.TemporaryFile() as spool:  # the columns are not known before the last page is measured
        types: dict[str, np.dtype] = {}
        rows = in_pieces = 0
        examples: list[str] = []
        mark = ""
        for page in pages:
            mark = mark or byte_order_mark(page.image)
            for cutout in page.cutouts():
                columns = _named(page, measure_cutout(page, cutout))
                types |= {name: values.dtype for name, values in columns.items()}
                rows += len(columns["id"])
                divided = columns["id"][columns["pieces"] > 1].tolist()
                in_pieces += len(divided)
                where = page.image if page.page is None else f"{page.image}, page {page.page}"
                examples += [f"cell {cell} of {where}" for cell in divided[: EXAMPLES - len(examples)]]
                pickle.dump(columns, spool)
        names = [name for name in COLUMNS if name in types] or ["image", "id"]
        names += sorted(set(types) - set(COLUMNS), key=lambda name: (int(name.rpartition("_")[2]), name))
        before_writing()
        path, parquet = folder / "cells.csv", folder / "cells.parquet"
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(mark)
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            for columns in _read(spool):
                count = len(columns["id"])
                texts = [_texts(columns[name]) if name in columns else [""] * count for name in names]
                writer.writerows(zip(*texts, strict=True))
        if rows >= LONG and _write_parquet(parquet, {name: types[name] for name in names}, spool):
            return CellTable([path, parquet], rows, in_pieces, examples)
        parquet.unlink(missing_ok=True)  # of a table that is replaced
        return CellTable([path], rows, in_pieces, examples)


def rows_of(columns: Columns) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as plain values."""
    lists = [values.tolist() for values in columns.values()]
    for row in zip(*lists, strict=True):
        yield dict(zip(columns, row, strict=True))


def _named(page: LabelledPage, columns: Columns) -> Columns:
    count = len(columns["id"])
    place = {} if page.page is None else {"page": np.full(count, page.page)}
    return {"image": np.full(count, page.image, object), **place, **columns}


def _read(spool: IO[bytes]) -> Iterator[Columns]:
    end = spool.seek(0, 2)
    spool.seek(0)
    while spool.tell() < end:
        yield pickle.load(spool)  # of this process


def _texts(values: np.ndarray) -> list[Any]:
    if values.dtype.kind != "f":
        return values.tolist()
    return ["" if value != value else f"{value:.10g}" for value in values.tolist()]


def _write_parquet(path: Path, types: dict[str, np.dtype], spool: IO[bytes]) -> bool:
    """Write the table as Parquet; return whether it could be: pyarrow may be missing."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        return False
    fields = {
        name: pyarrow.string() if dtype.kind == "O" else pyarrow.from_numpy_dtype(dtype)
        for name, dtype in types.items()
    }
    schema = pyarrow.schema(list(fields.items()))
    with replacing(path) as temporary, ParquetWriter(temporary, schema) as writer:
        for columns in _read(spool):
            count = len(columns["id"])
            arrays = [
                pyarrow.array(columns[name], field) if name in columns else pyarrow.nulls(count, field)
                for name, field in fields.items()
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    return True
