"""The page: what it holds, what it escapes, and how large it becomes."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest

from unetpipe.errors import InputError
from unetpipe.report.gallery import LONGEST_SIDE, Gallery, ScoredFrame, make_view
from unetpipe.report.mistakes import find_mistakes
from unetpipe.report.page import say_time, write_report

SQUARE = np.zeros((40, 50), np.int32)
SQUARE[5:15, 5:15], SQUARE[5:15, 20:30] = 1, 2
HOSTILE = "<script>alert('x')</script>&\"'{{ 7 * 7 }}.tif"


def frame(name: str, found: int = 2) -> ScoredFrame:
    noise = np.random.default_rng(0).integers(0, 60000, (1, *SQUARE.shape), dtype=np.uint16)
    return ScoredFrame(name, SQUARE, np.where(np.isin(SQUARE, range(found + 1)), SQUARE, 0), noise)


def written(tmp_path: Path, gallery: Gallery, **arguments: object) -> str:
    write_report(tmp_path / "report.html", gallery, "A title", **arguments)  # type: ignore[arg-type]
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_names_and_settings_are_escaped(tmp_path: Path) -> None:
    settings = {HOSTILE: HOSTILE, "nested": [HOSTILE], "path": Path("a<b")}
    page = written(tmp_path, Gallery([frame(HOSTILE)]), data=HOSTILE, settings=settings, scores={HOSTILE: 0.5})
    assert "<script" not in page
    assert "49" not in re.findall(r"alert\(.{0,60}", page)[0]
    assert html.escape("<script>alert(") in page
    assert "a&lt;b" in page


def test_known_data_stand_beside_the_published_figures(tmp_path: Path) -> None:
    page = written(tmp_path, Gallery([frame("a")]), data="somewhere/DIC-C2DH-HeLa")
    assert all(text in page for text in ("0.7756", "0.887", "1.00000", "hidden test set", "2 cells in 1 frame"))
    page = written(tmp_path, Gallery([frame("a")]), data="isbi2012", scores={"rand_error": 0.05, "TRA": None})
    assert "0.0382" in page
    assert "TRA" not in page
    page = written(tmp_path, Gallery([frame("a")]), data="somewhere/else")
    assert "Best published" not in page


def test_counts_are_said_in_words(tmp_path: Path) -> None:
    page = written(tmp_path, Gallery([frame("good"), frame("bad", found=1)]))
    assert re.findall(r"missed: cell (\d)</li>", page) == ["2"]
    assert page.index("<h3>bad") < page.index("<h3>good")
    assert "3 from 0.9 to 1.0" in page
    assert "1 not found" in page
    assert '<html lang="en">' in page
    assert len(re.findall(r"<img [^>]*alt=\"[^\"]+\"", page)) == page.count("<img") == 4


def test_without_images_or_frames_there_is_a_page_still(tmp_path: Path) -> None:
    page = written(tmp_path, Gallery([ScoredFrame("black", SQUARE, SQUARE)]))
    assert "<img" not in page
    assert 'class="truth"' in page
    page = written(tmp_path, Gallery(), scores={"DET": 0.5}, settings={"seed": 3}, logs=tmp_path, seconds=61)
    assert "0.50000" in page
    assert "1 min 1 s" in page


def test_only_the_worst_frames_are_shown_and_kept(tmp_path: Path) -> None:
    gallery = Gallery([frame(f"frame {number}", found=number % 3) for number in range(9)], shown=3)
    assert [kept.name for kept, _ in gallery.worst] == ["frame 0", "frame 3", "frame 6"]
    page = written(tmp_path, gallery)
    assert page.count('class="frame"') == 3
    assert "6 frames with better scores are not shown" in page
    assert all(f"frame {number}<" in page for number in range(9))  # in the table
    assert gallery.counts["missed"] == 2 * 3 + 3
    assert gallery.seg == pytest.approx(0.5)


def test_of_a_large_image_the_worst_window_is_shown() -> None:
    truth = np.zeros((1500, 2000), np.int32)
    truth[10:30, 10:30], truth[1400:1420, 1900:1920] = 1, 2
    result = np.where(truth == 1, 1, 0)
    shown = ScoredFrame("large", truth, result, np.zeros((1, *truth.shape), np.uint8))
    view = make_view(shown, find_mistakes(truth, result))
    assert (view.height, view.width) == (LONGEST_SIDE, LONGEST_SIDE)
    assert "of 2000 × 1500" in view.window
    assert [shape.words for shape in view.shapes] == ["missed: cell 2"]
    assert view.result == ""  # the cell that was found lies elsewhere


def test_the_size_is_bounded_whatever_the_result(tmp_path: Path) -> None:
    """Noise in images and maps, the worst there is, in more frames than are shown."""
    rng = np.random.default_rng(0)
    frames = (
        ScoredFrame(
            f"noise {number}",
            rng.integers(0, 3000, (900, 900)),
            rng.integers(0, 3000, (900, 900)),
            rng.integers(0, 255, (3, 900, 900), dtype=np.uint8),
        )
        for number in range(3)
    )
    page = written(tmp_path, Gallery(frames, shown=2))
    assert len(page) < 2 * 3_000_000


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", Gallery([frame("a")]), "A title")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("seconds", "said"), [(3.21, "3.2 s"), (3123, "52 min 3 s"), (3780, "1 h 3 min")])
def test_times_are_said_in_two_units(seconds: float, said: str) -> None:
    assert say_time(seconds) == said
