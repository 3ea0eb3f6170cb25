"""Files appear under their name only when complete; what stands in the way is one sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from unetpipe.errors import InputError
from unetpipe.files import check_folder, remember, replacing, replacing_files, write_text


def test_written_file_takes_its_place(tmp_path: Path):
    write_text(tmp_path / "new" / "a.txt", "eins")
    write_text(tmp_path / "new" / "a.txt", "zwei")
    assert (tmp_path / "new" / "a.txt").read_text() == "zwei"
    assert os.listdir(tmp_path / "new") == ["a.txt"]


def test_interrupted_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    write_text(tmp_path / "a.txt", "old")

    def interrupted() -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_full_disk_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"a\.txt cannot be written .*No space left"), replacing(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not os.listdir(tmp_path)


def test_folder_that_can_be_made_is_not_made_by_checking(tmp_path: Path):
    check_folder(tmp_path / "a" / "b")
    assert not os.listdir(tmp_path)


def test_folder_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_folder(tmp_path / "file" / "b")


@pytest.mark.parametrize("marker", ["zarr.json", ".zgroup", ".zarray"])
def test_folder_within_a_zarr_image_is_refused(marker: str, tmp_path: Path) -> None:
    (tmp_path / "a.ome.zarr" / "labels").mkdir(parents=True)
    (tmp_path / "a.ome.zarr" / marker).write_text("{}")
    for within in ("", "labels", "labels/new"):
        with pytest.raises(InputError, match=r"lies in .*a\.ome\.zarr, which is a Zarr image"):
            check_folder(tmp_path / "a.ome.zarr" / within)
    check_folder(tmp_path / "b.ome.zarr")


def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path):
    calls: list[Path] = []

    @remember(maxsize=2)
    def read(path: Path) -> str:
        calls.append(path)
        return path.read_text()

    write_text(tmp_path / "a.txt", "old")
    assert [read(tmp_path / "a.txt"), read(str(tmp_path / "a.txt"))] == ["old", "old"]
    assert len(calls) == 1
    write_text(tmp_path / "a.txt", "longer")
    assert read(tmp_path / "a.txt") == "longer"


def test_another_file_may_tell_that_a_folder_changed(tmp_path: Path):
    write_text(tmp_path / "state", "1")
    names = remember(maxsize=1, changes=lambda folder: folder / "state")(lambda folder: sorted(os.listdir(folder)))
    assert names(tmp_path) == ["state"]
    write_text(tmp_path / "new", "")
    assert names(tmp_path) == ["state"]
    write_text(tmp_path / "state", "22")
    assert names(tmp_path) == ["new", "state"]


def test_files_take_their_places_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "b" / "second", "old")
    write_text(tmp_path / "kept", "kept")
    order: list[str] = []
    replace = Path.replace

    def noting(self: Path, target: Path) -> Path:
        order.append(Path(target).name)
        return replace(self, target)

    with replacing_files(tmp_path, ["a/first", "b/second"]) as beside:
        for name in ("b/second", "a/first", "c", "d"):
            write_text(beside / name, "new")
        assert (tmp_path / "b" / "second").read_text() == "old"
        assert not (tmp_path / "a").exists()
        monkeypatch.setattr(Path, "replace", noting)
    assert order[2:] == ["first", "second"]
    assert sorted(order[:2]) == ["c", "d"]
    assert (tmp_path / "b" / "second").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "d", "kept"]

    def fail() -> None:
        with replacing_files(tmp_path, []) as beside:
            write_text(beside / "c", "newer")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "c").read_text() == "new"
