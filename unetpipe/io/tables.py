"""Scores on disk: one JSON file, and CSV tables a spreadsheet opens."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unetpipe.files import write_text

BYTE_ORDER_MARK = "\ufeff"


def byte_order_mark(text: str) -> str:
    r"""Return what a table of this text begins with: Excel reads letters beyond ASCII as UTF-8 only after the mark.

    Examples
    --------
    >>> byte_order_mark("a.tif"), byte_order_mark("Ü.tif")
    ('', '\ufeff')
    """
    return "" if text.isascii() else BYTE_ORDER_MARK


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], mark: bool = True) -> None:
    """Write a table with its header line; floats with five decimals.

    ``mark`` says whether a table with letters beyond ASCII begins with :func:`byte_order_mark`. Strict readers take the
    mark for a part of the first column's name.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{cell:.5f}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    table = text.getvalue()
    write_text(path, (byte_order_mark(table) if mark else "") + table)


def format_table(rows: Sequence[tuple[str, float | None, str]]) -> str:
    """Return lines of name, value with five decimals ("–" for None) and remark, in columns."""
    width = max(len(name) for name, _, _ in rows)
    lines = (
        f"{name:<{width}}  {'–' if value is None else f'{value:.5f}':>8}  {remark}" for name, value, remark in rows
    )
    return "\n".join(line.rstrip() for line in lines)
