from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetpipe.errors import InputError
from unetpipe.io.track_tables import Track, check_tracks, read_tracks, write_tracks

TABLE = [Track(1, 0, 3), Track(2, 4, 6, 1), Track(3, 4, 9, 1), Track(7, 2, 2)]


def test_real_tables_are_read(real_data: Path) -> None:
    tracks = read_tracks(real_data / "ctc" / "DIC-C2DH-HeLa" / "01_GT" / "TRA" / "man_track.txt")
    assert len(tracks) == 38
    assert tracks[1] == Track(label=3, begin=30, end=83, parent=1)


def test_written_tables_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "res_track.txt"
    write_tracks(path, reversed(TABLE))
    assert path.read_text() == "1 0 3 0\n2 4 6 1\n3 4 9 1\n7 2 2 0\n"
    assert read_tracks(path) == TABLE
    assert [file.name for file in path.parent.iterdir()] == ["res_track.txt"]


def test_tabs_and_blank_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n1\t0\t3\t0\r\n\n  2 4 6 1 \n")
    assert read_tracks(tmp_path / "t.txt") == TABLE[:2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 4 6", "line 2: '2 4 6' is not a track"),
        ("2 4 6 1 5", "line 2: '2 4 6 1 5' is not a track"),
        ("two 4 6 1", "line 2: 'two 4 6 1' is not a track"),
        ("2 4.5 6 1", "line 2: '2 4.5 6 1' is not a track"),
        ("0 4 6 1", "line 2: label 0 is not within 1 and 65535"),
        ("65536 4 6 1", "line 2: label 65536 "),
        ("2 6 4 1", "line 2: frames 6 to 4 "),
        ("2 -1 4 0", "line 2: frames -1 to 4 "),
        ("1 4 6 0", "line 2: label 1 is there twice"),
        ("2 4 6 5", "line 2: parent 5 is not a track"),
        ("2 4 6 -1", "line 2: parent -1 is not a track"),
        ("2 3 6 1", "line 2: begins in frame 3, but its parent 1 ends only in frame 3"),
        ("2 4 6 2", "line 2: begins in frame 4, but its parent 2 ends only in frame 6"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "res_track.txt"
    path.write_text(f"1 0 3 0\n{line}\n")
    with pytest.raises(InputError, match=f"res_track.txt, {message}"):
        read_tracks(path)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no track table .*none\.txt"):
        read_tracks(tmp_path / "none.txt")
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"t\.txt cannot be read as text"):
        read_tracks(tmp_path / "t.txt")


def test_a_wrong_table_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Track 2 for .*: parent 1 is not a track"):
        write_tracks(tmp_path / "t.txt", TABLE[1:2])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_tracks(tmp_path / "file" / "t.txt", TABLE)
    assert not (tmp_path / "t.txt").exists()


def frames_of(tracks: list[Track]) -> dict[int, set[int]]:
    return {frame: {t.label for t in tracks if t.begin <= frame <= t.end} for frame in range(10)}


def test_tracks_that_fit_their_masks_pass() -> None:
    check_tracks(TABLE, frames_of(TABLE), "the table")
    with pytest.raises(InputError, match="the table: track 3 ends in frame 9, but the last mask is 8"):
        check_tracks(TABLE, {frame: ids for frame, ids in frames_of(TABLE).items() if frame < 9}, "the table")


@given(st.integers(0, 9), st.sampled_from([1, 2, 3, 7, 8]))
def test_any_other_cell_is_named(frame: int, cell: int) -> None:
    frames = frames_of(TABLE)
    frames[frame] ^= {cell}
    problem = f"cell {cell} in the mask of frame {frame}" if cell in frames[frame] else f"track {cell} has no cell"
    with pytest.raises(InputError, match=problem):
        check_tracks(TABLE, frames, "the table")
