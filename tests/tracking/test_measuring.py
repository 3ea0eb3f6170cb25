"""Measures of tracks and ``tracks.csv``, on rows of pixels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from unetpipe.errors import InputError
from unetpipe.io.track_tables import Track
from unetpipe.tracking import link_folder, write_result
from unetpipe.tracking.measuring import MeasuredTrack, TrackMeasures, write_track_table


def measured(texts: list[str], tracks: list[Track]) -> list[MeasuredTrack]:
    measures = TrackMeasures()
    for text in texts:
        measures.add(np.array([[int(letter) for letter in text.replace(".", "0")]]))
    return measures.measure(tracks)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_division() -> None:
    first, second, third = measured(
        ["1111....", ".1111...", ".22.33..", ".22..33."], [Track(1, 0, 1), Track(2, 2, 3, 1), Track(3, 2, 3, 1)]
    )
    assert (first.children, first.divides, first.length, first.mean_area) == ((2, 3), True, 2, 4)
    assert (first.path_length, first.displacement, first.jumps) == (1, 1, ())
    assert (second.children, second.divides, second.path_length, third.path_length) == ((), False, 0, 1)
    assert {first.short, second.short, third.short} == {False}  # the sequence's begin and end cut them off


def test_path_and_displacement() -> None:
    (there_and_back,) = measured(["11....", "..11..", "11...."], [Track(1, 0, 2)])
    assert (there_and_back.path_length, there_and_back.displacement) == (4, 0)


@pytest.mark.parametrize(("frames", "short"), [(1, True), (3, True), (4, False)])
def test_short_tracks(frames: int, short: bool) -> None:
    texts = ["1...", *["1.2."] * frames, "1..."]
    assert [track.short for track in measured(texts, [Track(1, 0, frames + 1), Track(2, 1, frames)])] == [False, short]


def test_a_jump_is_a_step_of_more_than_half_a_diameter() -> None:
    # 13 pixels: the diameter of a circle of that area is 4.07
    at = {start: "." * start + "1" * 13 + "." * (20 - start) for start in (0, 2, 5)}
    (track,) = measured([at[0], at[2], at[5], at[5], at[2]], [Track(1, 0, 4)])
    assert track.jumps == (2, 4)


def test_a_gap_is_the_frames_without_the_parent() -> None:
    tracks = measured(["1", ".", ".", "2"], [Track(1, 0, 0), Track(2, 3, 3, 1)])
    assert [track.gap for track in tracks] == [0, 2]
    divided = measured(["1..", "...", "2.3"], [Track(1, 0, 0), Track(2, 2, 2, 1), Track(3, 2, 2, 1)])
    assert [track.gap for track in divided] == [0, 0, 0]


def test_tracks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="track 2 has no cell in the mask of frame 1"):
        measured(["1.", "1."], [Track(1, 0, 1), Track(2, 1, 1)])


def test_table(tmp_path: Path) -> None:
    tracks = measured(["11..", ".11.", "22.3"], [Track(1, 0, 1), Track(2, 2, 2, 1), Track(3, 2, 2, 1)])
    write_track_table(tmp_path / "tracks.csv", tracks, pixel_size=0.5)
    assert table(tmp_path / "tracks.csv")[0] == {
        "track": "1",
        "first_frame": "0",
        "last_frame": "1",
        "parent": "0",
        "children": "2",
        "length": "2",
        "mean_area": "2",
        "path_length": "1",
        "displacement": "1",
        "short": "False",
        "jump": "True",  # half a diameter is 0.8
        "divides": "True",
        "mean_area_um2": "0.5",
        "path_length_um": "0.5",
        "displacement_um": "0.5",
    }
    write_track_table(tmp_path / "tracks.csv", tracks)
    assert not {name for name in table(tmp_path / "tracks.csv")[0] if name.endswith(("um", "um2"))}


def test_65535_tracks(tmp_path: Path) -> None:
    labels = np.arange(2**16, dtype=np.int32).reshape(256, 256)
    write_result(tmp_path, [labels, labels])
    rows = table(tmp_path / "tracks.csv")
    assert [int(row["track"]) for row in rows] == list(range(1, 2**16))
    assert {(row["length"], row["mean_area"], row["path_length"]) for row in rows} == {("2", "1", "0")}


def test_empty_frames_pieces_holes_edges_and_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "Zellen für Übung 1"
    labels = np.zeros((9, 9), np.int32)
    labels[0, 0] = 7  # in the corner
    labels[2:5, 2:5] = 65535
    labels[3, 3] = 0  # a hole
    labels[6, 0] = labels[6, 4] = 3  # two pieces
    write_result(folder, [labels, labels, np.zeros_like(labels)])
    link_folder(folder)  # again, in place
    rows = table(folder / "tracks.csv")
    assert [(row["track"], row["mean_area"], row["last_frame"]) for row in rows] == [
        ("1", "2", "1"),
        ("2", "1", "1"),
        ("3", "8", "1"),
    ]
    write_result(tmp_path / "empty", [np.zeros_like(labels)])
    assert table(tmp_path / "empty" / "tracks.csv") == []
    assert (tmp_path / "empty" / "tracks.csv").read_text().startswith("track,first_frame,last_frame,parent,children")
