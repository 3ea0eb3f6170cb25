"""The lineage tree: where bars and lines stand, what is listed to look at, and what the page says of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.io import write_labels
from unetpipe.io.track_tables import Track
from unetpipe.report import results
from unetpipe.report.lineage import COLOURS, LEFT, RIGHT, ROW, WIDTH, lay_out_tree, track_colour
from unetpipe.report.results import check_track_images, report_tracks
from unetpipe.report.tracks import SHOWN, find_findings, read_lineage
from unetpipe.tracking import write_result
from unetpipe.tracking.measuring import MeasuredTrack


def measured(tracks: list[Track], jumps: dict[int, tuple[int, ...]] | None = None) -> list[MeasuredTrack]:
    children = {track.label: tuple(t.label for t in tracks if t.parent == track.label) for track in tracks}
    ends = {track.label: track.end for track in tracks}
    return [
        MeasuredTrack(
            track,
            children[track.label],
            9.0,
            0.0,
            0.0,
            (jumps or {}).get(track.label, ()),
            short=track.begin > 0 and track.end - track.begin < 3,
            gap=track.begin - ends[track.parent] - 1 if track.parent and len(children[track.parent]) == 1 else 0,
        )
        for track in tracks
    ]


FAMILY = [Track(1, 0, 4), Track(2, 0, 9), Track(3, 5, 9, 1), Track(4, 5, 6, 1), Track(5, 8, 9, 4)]


def test_a_parent_stands_between_its_children_and_time_runs_to_the_right() -> None:
    tree = lay_out_tree(measured(FAMILY), 10)
    bars = {bar.label: bar for bar in tree.bars}
    step = (WIDTH - LEFT - RIGHT) / 10
    assert bars[1].y == (bars[3].y + bars[4].y) / 2
    assert bars[4].y == bars[5].y  # goes on in the same row
    assert bars[2].y > max(bars[3].y, bars[4].y)
    assert bars[3].x == pytest.approx(LEFT + 5 * step, abs=0.1)
    assert bars[3].x + bars[3].width == pytest.approx(WIDTH - RIGHT, abs=0.2)
    assert [link.gap for link in tree.links] == [False, False, True]
    assert [frame for _, frame in tree.ticks] == list(range(10))
    assert max(bar.y for bar in tree.bars) < tree.height


def test_marks_of_jumps_divisions_and_short_tracks() -> None:
    bars = {bar.label: bar for bar in lay_out_tree(measured(FAMILY, {2: (3, 7)}), 10).bars}
    assert len(bars[2].jumps) == 2
    assert [label for label, bar in bars.items() if bar.divides] == [1]
    assert [label for label, bar in bars.items() if bar.short] == [4, 5]
    assert bars[4].words == "track 4: frames 5 to 6, from track 1, short"


def test_of_too_many_tracks_whole_families_are_left_out() -> None:
    tree = lay_out_tree(measured([*FAMILY, *(Track(label, 0, 9) for label in range(6, 20))]), 10, most=6)
    assert {1, 3, 4, 5} <= {bar.label for bar in tree.bars}  # the one that divides is drawn
    assert (len(tree.bars), tree.left_out) == (6, 13)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_no_two_bars_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracks: list[Track] = []
    for label in range(1, int(rng.integers(2, 30))):
        begin = int(rng.integers(0, 30))
        ended = [track.label for track in tracks if track.end < begin]
        parent = int(rng.choice([0, *ended]))
        tracks.append(Track(label, begin, int(rng.integers(begin, 30)), parent))
    bars = lay_out_tree(measured(tracks), 30).bars
    assert {bar.label for bar in bars} == {track.label for track in tracks}
    for one in bars:
        for other in bars:
            apart = one.x + one.width <= other.x + 0.2 or other.x + other.width <= one.x + 0.2
            assert one is other or apart or abs(one.y - other.y) >= ROW / 2


def test_colours_are_those_of_the_label_and_can_be_read() -> None:
    assert track_colour(1) == track_colour(1 + len(COLOURS)) != track_colour(2)

    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    for colour in COLOURS:
        assert all(round(contrast(colour, ground), 1) >= 3 for ground in ("#ffffff", "#000000", "#1b2129"))
        assert contrast(colour, "#000000") >= 4.5  # the number in the bar


def test_what_to_look_at_is_listed_by_kind_and_time() -> None:
    words = [finding.words for finding in find_findings(measured(FAMILY, {2: (3,)}))]
    assert words == [
        "track 1 divides after frame 4 into 3 and 4",
        "track 2 jumps to frame 3",
        "track 5 continues track 4 after 1 frame without it",
        "track 4 lives 2 frames, 5 to 6",
        "track 5 lives 2 frames, 8 to 9",
    ]


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """A cell that divides beside one that is short, with images of two of the frames."""
    frames = np.zeros((6, 40, 60), np.int32)
    frames[:3, 10:20, 10:30] = 1
    frames[3:, 10:20, 10:19] = 2
    frames[3:, 10:20, 21:30] = 3
    frames[2:4, 30:36, 48:58] = 4
    write_result(tmp_path / "01_RES", frames)
    (tmp_path / "01").mkdir()
    for frame in (0, 3):
        Image.fromarray((frames[frame] * 60).astype(np.uint8)).save(tmp_path / "01" / f"t{frame:03d}.tif")
    return tmp_path / "01_RES"


def test_pictures_have_the_colours_of_the_tracks(sequence: Path) -> None:
    lineage = read_lineage(sequence, sequence.parent / "01")
    assert lineage.counts == {"division": 1, "jump": 0, "gap": 0, "short": 1}
    assert [picture.frame for picture in lineage.pictures] == [0, 2, 3, 5]
    assert [picture.uri is not None for picture in lineage.pictures] == [True, False, True, False]
    bars = {bar.label: bar.colour for bar in lineage.tree.bars}
    for picture in lineage.pictures:
        assert all(cell.colour == bars[cell.label] for cell in picture.cells)
    (division, pictures), (short, others) = lineage.findings
    assert [{cell.label for cell in picture.cells} for picture in pictures] == [{1}, {3, 4}]
    assert (division.frames, short.frames) == ((2, 3), (2, 4))
    there = [2 in {cell.label for cell in picture.cells} for picture in others]  # the short one, born in frame 2
    assert there == [True, False]


def test_the_page_holds_the_tree_and_nothing_from_outside(
    sequence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out = sequence.parent / "out"
    checked: list[tuple[object, ...]] = []
    monkeypatch.setattr(results, "check_track_images", lambda *given: checked.append(given))
    assert main(["link", str(sequence), "--report", str(out)]) == 0
    assert f"Report: {out / 'report.html'}" in capsys.readouterr().out
    assert checked == [(sequence, None)]  # once, although it reads a header of every file
    page = (out / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<g class="track">', page)) == 4
    assert "track 1 divides after frame 2 into 3 and 4" in page
    assert "1 division<" in page
    assert "0 jumps<" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert 'id="scores"' not in page  # there are none


def test_mistakes_are_named(sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["link", str(sequence), "--images", str(tmp_path)]) == 1
    assert "--images is for the report" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no image t000"):
        check_track_images(sequence, tmp_path / "none")
    Image.new("L", (9, 9)).save(tmp_path / "01" / "t000.tif")
    with pytest.raises(InputError, match=r"t000.tif is 9×9 pixels .*mask000.tif is 40×60"):
        check_track_images(sequence)
    (tmp_path / "01" / "t000.tif").unlink()
    write_labels(sequence / "mask005.tif", np.zeros((40, 60), int))
    with pytest.raises(InputError, match=r"res_track.txt: track 3 has no cell in the mask of frame 5"):
        report_tracks(sequence, tmp_path / "out")


def test_many_findings_get_pictures_of_every_kind(tmp_path: Path) -> None:
    frames = np.zeros((40, 20, 60), np.int32)
    frames[:, 2:8, 2:8] = 1
    frames[::4, 12:18, 12:18] = 2  # short tracks
    frames[20:, 2:8, 20:28] = 3
    frames[30:, 2:8, 24:28] = 4
    write_result(tmp_path, frames)
    lineage = read_lineage(tmp_path)
    shown = [finding.kind for finding, pictures in lineage.findings if pictures]
    assert len(shown) <= SHOWN
    assert set(shown) == {kind for kind, count in lineage.counts.items() if count}
