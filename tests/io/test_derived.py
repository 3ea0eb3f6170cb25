"""Tables of earlier masks go; what was changed by hand, or lies elsewhere, stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

from unetpipe.files import write_text
from unetpipe.io.derived import CELLS, SCORES, derived_paths, note_derived, remove_derived


def test_what_was_noted_is_removed_by_kind(tmp_path: Path) -> None:
    for name in ("cells.csv", "01/a_RoiSet.zip", "a.geff/zarr.json", "scores.json", "notes.txt"):
        write_text(tmp_path / name, name)
    note_derived(tmp_path, CELLS, [tmp_path / "cells.csv", tmp_path / "01" / "a_RoiSet.zip"])
    note_derived(tmp_path, CELLS, [tmp_path / "a.geff"])
    note_derived(tmp_path, SCORES, [tmp_path / "scores.json"])
    assert derived_paths(tmp_path, CELLS) == {tmp_path / name for name in ("cells.csv", "01/a_RoiSet.zip", "a.geff")}
    (said,) = remove_derived(tmp_path, CELLS)
    assert derived_paths(tmp_path, CELLS) == set()
    assert said == "Removed, because they belong to earlier masks: 01/a_RoiSet.zip, a.geff, cells.csv"
    assert sorted(os.listdir(tmp_path)) == [".scores.json", "01", "notes.txt", "scores.json"]
    assert len(remove_derived(tmp_path)) == 1
    assert sorted(os.listdir(tmp_path)) == ["01", "notes.txt"]
    assert remove_derived(tmp_path / "missing") == []


def test_what_was_changed_since_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "cells.csv", "id\n1\n")
    note_derived(tmp_path, CELLS, [tmp_path / "cells.csv"])
    write_text(tmp_path / "cells.csv", "id,remark\n1,mitosis\n")
    (said,) = remove_derived(tmp_path)
    assert said == "Kept, because they were changed later, although they belong to earlier masks: cells.csv"
    assert (tmp_path / "cells.csv").exists()


def test_a_forged_note_reaches_nothing_outside(tmp_path: Path) -> None:
    folder, other = tmp_path / "out", tmp_path / "other.txt"
    write_text(other, "precious")
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    state = [other.stat().st_size, other.stat().st_mtime_ns]
    names = ["../other.txt", str(other), "link/other.txt", "link", ".", "", "a\0b", "missing"]
    (folder / ".cells.json").write_text(json.dumps(dict.fromkeys(names, state)))
    assert remove_derived(folder) == []
    assert other.read_text() == "precious"
    for damaged in ("[", "[1]", '{"a": 5}', '{"a": "x"}', "[" * 100_000):
        (folder / ".cells.json").write_text(damaged)
        assert remove_derived(folder) == []
