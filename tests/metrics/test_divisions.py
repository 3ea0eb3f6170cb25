"""Divisions found, on sequences of one pixel row."""

from __future__ import annotations

import numpy as np
import pytest

from unetpipe.io.track_tables import Track
from unetpipe.metrics import score_divisions
from unetpipe.metrics.matching import match_frame

DIVIDED = ["11111111", "11111111", "2222.333", "2222.333"]
TRACKS = [Track(1, 0, 1), Track(2, 2, 3, 1), Track(3, 2, 3, 1)]


def score(truth: list[str], tracks: list[Track], result: list[str], found: list[Track], tolerance: int = 0) -> tuple:
    pairs = zip(truth, result, strict=True)
    frames = {
        frame: match_frame(*(np.array([[int(letter) for letter in text.replace(".", "0")]]) for text in pair))
        for frame, pair in enumerate(pairs)
    }
    return tuple(score_divisions(frames, tracks, found, tolerance))


def test_the_same_division_is_found() -> None:
    assert score(DIVIDED, TRACKS, DIVIDED, TRACKS) == (1, 0, 0)
    other = ["77777777", "77777777", "9999.888", "9999.888"]
    tracks = [Track(7, 0, 1), Track(8, 2, 3, 7), Track(9, 2, 3, 7)]
    assert score(DIVIDED, TRACKS, other, tracks) == (1, 0, 0)


def test_a_cell_that_lives_on_beside_a_new_one_is_missed() -> None:
    result = ["11111111", "11111111", "1111.222", "1111.222"]
    assert score(DIVIDED, TRACKS, result, [Track(1, 0, 3), Track(2, 2, 3)]) == (0, 0, 1)
    assert score(result, [Track(1, 0, 3), Track(2, 2, 3)], DIVIDED, TRACKS) == (0, 1, 0)  # and the other way invented


@pytest.mark.parametrize(("tolerance", "expected"), [(0, (0, 1, 1)), (1, (1, 0, 0)), (2, (1, 0, 0))])
def test_a_frame_too_late_counts_with_a_tolerance_of_one(tolerance: int, expected: tuple) -> None:
    late = ["11111111", "11111111", "11111111", "2222.333"]
    tracks = [Track(1, 0, 2), Track(2, 3, 3, 1), Track(3, 3, 3, 1)]
    assert score(DIVIDED, TRACKS, late, tracks, tolerance) == expected


def test_daughters_must_be_the_same_cells() -> None:
    elsewhere = ["11111111", "11111111", "2222.3..", "2222.3.."]  # the second covers too little of its cell
    assert score(DIVIDED, TRACKS, elsewhere, TRACKS) == (0, 1, 1)
    merged = ["11111111", "11111111", "22222222", "22222222"]  # one object covers both
    assert score(DIVIDED, TRACKS, merged, [Track(1, 0, 1), Track(2, 2, 3, 1)]) == (0, 0, 1)


def test_the_parent_must_be_the_same_cell() -> None:
    truth = ["111.444.", "111.444.", "2.3.444.", "2.3.444."]
    tracks = [*TRACKS, Track(4, 0, 3)]
    result = ["111.444.", "111.444.", "2.3.555.", "2.3.555."]
    stolen = [Track(1, 0, 1), Track(4, 0, 1), Track(2, 2, 3, 4), Track(3, 2, 3, 4), Track(5, 2, 3)]
    assert score(truth, tracks, result, stolen) == (0, 1, 1)


def test_a_closed_gap_is_no_division_and_three_daughters_are_not_two() -> None:
    gap = ["111", "...", "222"]
    assert score(gap, [Track(1, 0, 0), Track(2, 2, 2, 1)], gap, [Track(1, 0, 0), Track(2, 2, 2, 1)]) == (0, 0, 0)
    three = ["11111111", "2.3.4..."]
    tracks = [Track(1, 0, 0), Track(2, 1, 1, 1), Track(3, 1, 1, 1), Track(4, 1, 1, 1)]
    assert score(three, tracks, three, tracks) == (1, 0, 0)
    assert score(three, tracks, three, [*tracks[:3], Track(4, 1, 1)]) == (0, 1, 1)


def test_without_divisions_f1_is_one() -> None:
    assert score_divisions({}, [], []).f1 == 1
    assert score_divisions({}, TRACKS, []).f1 == 0
