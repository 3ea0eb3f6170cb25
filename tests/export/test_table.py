from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from label_maps import all_ids, odd_cells, odd_pages

from unetpipe.export import table
from unetpipe.export.table import write_cell_table
from unetpipe.morphometry import LabelledPage, measure_cells


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_a_cell(tmp_path: Path):
    written = write_cell_table(tmp_path, odd_pages())
    assert written.paths == [tmp_path / "cells.csv"]
    rows = read(tmp_path / "cells.csv")
    assert (written.cells, written.in_pieces) == (len(rows), 4)  # 13 of 01 is cut in two by 14
    assert written.examples == [f"cell {cell} of Zellen für Übung 1.tif" for cell in (4, 6, 7)]
    assert len(rows) == 1 + len(np.unique(odd_cells())) - 1 + 3
    assert rows[0] | {"image": "one.tif", "page": "", "id": "12", "area": "15", "touches_edge": "False"} == rows[0]
    named = [row for row in rows if row["image"] == "Zellen für Übung 1.tif"]
    expected = measure_cells(odd_cells())
    for name, values in expected.items():
        if values.dtype.kind == "f":
            assert [float(row[name]) for row in named] == pytest.approx(values, rel=1e-9)
        else:
            assert [row[name] for row in named] == list(map(str, values))
    assert [(row["page"], row["track"], row["parent"]) for row in rows[-3:]] == [
        ("0", "12", "0"),
        ("1", "13", "12"),
        ("1", "14", "12"),
    ]


def test_columns_that_no_page_has_are_left_out_and_those_of_some_are_empty(tmp_path: Path):
    labels = odd_cells()
    colours = np.stack([labels, labels, labels])
    pages = [
        LabelledPage.in_memory(labels, "a.png", pixels=labels),
        LabelledPage.in_memory(labels, "b.png", pixels=colours, pixel_size=0.5),
    ]
    write_cell_table(tmp_path, pages)
    rows = read(tmp_path / "cells.csv")
    assert not rows[0].keys() & {"page", "confidence", "track", "parent"}
    first, last = rows[0], rows[-1]
    assert (first["area_um2"], first["intensity_mean_0"], first["intensity_mean_2"]) == ("", "1", "")
    assert (last["area_um2"], last["intensity_mean_2"]) == (str(float(last["area"]) / 4).removesuffix(".0"), "65535")
    assert list(rows[0])[-3:] == ["intensity_max_2", "intensity_mean_2", "intensity_min_2"]


@pytest.mark.parametrize(("names", "begin"), [(["a.tif", "Ü.tif"], b"\xef\xbb\xbfimage,"), (["a.tif"], b"image,")])
def test_letters_beyond_ascii_come_after_a_byte_order_mark(names: list[str], begin: bytes, tmp_path: Path):
    """Excel takes "Ü" for two other letters without it; a table without such letters needs none."""
    labels = np.array([[1, 0]])
    write_cell_table(tmp_path, [LabelledPage.in_memory(labels, name) for name in names])
    content = (tmp_path / "cells.csv").read_bytes()
    assert content.startswith(begin)
    assert [row["image"] for row in read(tmp_path / "cells.csv")] == names


def test_no_cell_gives_a_header_and_an_older_table_goes(tmp_path: Path):
    (tmp_path / "cells.csv").write_text("older\n" * 1000)
    (tmp_path / "cells.parquet").write_bytes(b"older")
    write_cell_table(tmp_path, odd_pages()[:1])
    assert (tmp_path / "cells.csv").read_text().startswith("image,id,area,centroid_y")
    assert read(tmp_path / "cells.csv") == []
    assert not (tmp_path / "cells.parquet").exists()


def test_a_long_table_is_written_as_parquet_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(table, "LONG", 3)
    assert write_cell_table(tmp_path, odd_pages()).paths == [tmp_path / "cells.csv", tmp_path / "cells.parquet"]
    rows, columns = read(tmp_path / "cells.csv"), parquet.read_table(tmp_path / "cells.parquet").to_pydict()
    assert list(columns) == list(rows[0])
    assert [str(number) for number in columns["id"]] == [row["id"] for row in rows]
    assert columns["image"] == [row["image"] for row in rows]
    assert columns["page"] == [int(row["page"]) if row["page"] else None for row in rows]
    assert columns["solidity"] == pytest.approx([float(row["solidity"]) for row in rows])


def test_65535_cells(tmp_path: Path):
    written = write_cell_table(tmp_path, [LabelledPage.in_memory(all_ids(), "all.tif")])
    assert (written.cells, written.in_pieces) == (65535, 0)
    rows = read(tmp_path / "cells.csv")
    assert [int(row["id"]) for row in rows] == list(range(1, 65536))
    assert {row["area"] for row in rows} == {"1", "2"}
