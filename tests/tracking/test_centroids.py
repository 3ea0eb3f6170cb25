"""The linker of centroids, by LapTrack: cells that move far, gaps, divisions, and what is empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unetpipe.errors import InputError
from unetpipe.io.images import read_labels
from unetpipe.io.track_tables import Track, check_tracks
from unetpipe.metrics.ctc import score_result
from unetpipe.tracking import link_cells, make_linker, write_result

pytest.importorskip("laptrack")


def linked(*texts: str, **parameters: float) -> tuple[list[str], list[Track]]:
    frames = [np.array([[int(letter) for letter in text.replace(".", "0")]]) for text in texts]
    maps, tracks = link_cells(frames, make_linker("laptrack", **parameters))
    return ["".join(str(label or ".") for label in each[0]) for each in maps], tracks


def test_cells_are_followed_where_their_outlines_do_not_overlap() -> None:
    texts = ("55.......22", "..77....8..", "....33.44..")
    maps, tracks = linked(*texts, max_distance=4)
    assert maps == ["22.......11", "..22....1..", "....22.11.."]
    assert tracks == [Track(1, 0, 2), Track(2, 0, 2)]
    assert len(linked(*texts, max_distance=0.4)[1]) == 6


def test_division_and_gap() -> None:
    maps, tracks = linked("..1111....", "..1111....", ".11..22...", max_distance=4)
    assert maps[2] == ".22..33..."
    assert tracks == [Track(1, 0, 1), Track(2, 2, 2, 1), Track(3, 2, 2, 1)]


@pytest.mark.parametrize(("missing", "parent"), [(1, 1), (2, 1), (3, 0)])
def test_gap_up_to_two_frames_is_closed_by_a_parent(missing: int, parent: int) -> None:
    _, tracks = linked(".111......222", *[".........222."] * missing, ".111......222", max_distance=3)
    assert [(track.begin, track.end, track.parent) for track in tracks] == [
        (0, 0, 0),
        (0, missing + 1, 0),
        (missing + 1, missing + 1, parent),
    ]


@pytest.mark.parametrize(
    "texts", [(), ("...",), ("...", "..."), ("1..",), ("...", "1..", "..."), ("1..", "...", "2..")]
)
def test_little_or_nothing(texts: tuple[str, ...]) -> None:
    maps, tracks = linked(*texts)
    assert ["".join("." if letter == "." else "x" for letter in text) for text in maps] == [
        "".join("." if letter == "." else "x" for letter in text) for text in texts
    ]
    check_tracks(tracks, {frame: {int(x) for x in text if x != "."} for frame, text in enumerate(maps)}, "linked")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_tables_fit_their_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 6, (4, 5))
    frames = []
    for _ in range(5):
        blocks = np.where(rng.random(blocks.shape) < 0.3, rng.integers(0, 6, blocks.shape), blocks)
        frames.append(np.kron(blocks, np.ones((3, 3), int)))
    maps, tracks = link_cells(iter(frames), make_linker("laptrack", max_distance=6))
    check_tracks(tracks, {frame: set(np.unique(each[each > 0])) for frame, each in enumerate(maps)}, "linked")
    for each, frame in zip(maps, frames, strict=True):
        pairs = np.unique([each.ravel(), frame.ravel()], axis=1)
        assert pairs.shape[1] == len(np.unique(each)) == len(np.unique(frame))  # the same outlines
    assert [track.label for track in tracks] == list(range(1, len(tracks) + 1))


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match=r"Frame 1 is \(1, 3\) pixels, the frames before it are \(1, 4\)"):
        linked("....", "...")
    for wrong in ({"max_distance": 0.0}, {"max_distance": float("nan")}, {"max_gap": -1}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
            make_linker("laptrack", **wrong)
    with pytest.raises(InputError, match="There is no linker 'trackmate'; there are overlap, laptrack"):
        make_linker("trackmate")


@pytest.mark.parametrize(("name", "least"), [("DIC-C2DH-HeLa", 0.982), ("PhC-C2DH-U373", 0.9998)])
def test_silver_masks_of_real_cells(name: str, least: float, real_data: Path, tmp_path: Path) -> None:
    paths = sorted((real_data / "ctc" / name / "01_ST" / "SEG").glob("man_seg*.tif"))
    write_result(tmp_path, map(read_labels, paths), make_linker("laptrack"))
    score = score_result(tmp_path, real_data / "ctc" / name / "01_GT")
    assert score.tra is not None
    assert score.tra >= least
