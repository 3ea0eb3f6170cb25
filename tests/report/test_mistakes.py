"""The words for what is wrong, on maps small enough to read: one digit a pixel, "." is background."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unetpipe.metrics.matching import match_frame
from unetpipe.metrics.seg_det_tra import object_jaccards
from unetpipe.report.mistakes import FrameMistakes, find_mistakes

maps = arrays(np.uint16, (4, 6), elements=st.integers(0, 4))


def drawn(*rows: str) -> np.ndarray:
    return np.array([[0 if pixel == "." else int(pixel) for pixel in row] for row in rows])


TRUTH = drawn(
    "111..222..",
    "111..222..",
    "....3333..",
    "444.......",
)


def found(*rows: str, known: np.ndarray | None = None) -> FrameMistakes:
    return find_mistakes(TRUTH, drawn(*rows), known)


def only(mistakes: FrameMistakes, kind: str) -> bool:
    return {name for name in ("missed", "merged", "split", "invented") if getattr(mistakes, name)} == {kind}


def test_a_perfect_result_has_no_mistake() -> None:
    mistakes = find_mistakes(TRUTH, TRUTH)
    assert mistakes == FrameMistakes((1, 2, 3, 4), (1.0,) * 4, (), (), (), ())
    assert mistakes.quality == 1


def test_one_miss() -> None:
    mistakes = found("111.......", "111.......", "....3333..", "444.......")
    assert only(mistakes, "missed")
    assert mistakes.missed == (2,)
    assert mistakes.jaccards == (1, 0, 1, 1)
    assert mistakes.quality == 3 / 4


def test_one_merge() -> None:
    mistakes = found("111..777..", "111..777..", "....7777..", "444.......")
    assert only(mistakes, "merged")
    assert mistakes.merged == ((7, (2, 3)),)
    assert mistakes.counts == {"missed": 0, "merged": 2, "split": 0, "invented": 0}
    assert mistakes.jaccards == (1, 6 / 10, 4 / 10, 1)


@pytest.mark.parametrize(
    ("rows", "pieces", "jaccard"),
    [
        (("111..222..", "111..222..", "....3355..", "444......."), (3, 5), 0.0),  # halves: none covers more than half
        (("111..222..", "111..222..", "....3335..", "444......."), (3, 5), 3 / 4),  # the larger one still counts
        (("111..222..", "111..222..", "....356...", "444......."), (3, 5, 6), 0.0),
    ],
)
def test_one_split(rows: tuple[str, ...], pieces: tuple[int, ...], jaccard: float) -> None:
    mistakes = found(*rows)
    assert only(mistakes, "split")
    assert mistakes.split == ((3, pieces),)
    assert mistakes.jaccards == (1, 1, jaccard, 1)


def test_one_invented() -> None:
    mistakes = found("111..222..", "111..222..", "....3333.9", "444.....99")
    assert only(mistakes, "invented")
    assert mistakes.invented == (9,)
    assert mistakes.quality == 4 / 5


def test_half_a_cell_is_a_miss_and_an_invention() -> None:
    mistakes = found("111..222..", "111..222..", "....33....", "444.......")
    assert (mistakes.missed, mistakes.invented, mistakes.split) == ((3,), (3,), ())


def test_an_object_that_lies_mostly_beside_the_cell_is_no_piece() -> None:
    mistakes = found("111..222..", "111..222..", "....33355.", "444....555")
    assert mistakes.split == ()
    assert mistakes.invented == (5,)


def test_a_speck_in_a_cell_that_was_found_does_not_split_it() -> None:
    truth = np.ones((1, 11), int)
    speck = np.array([[1] * 10 + [2]])
    assert (find_mistakes(truth, speck).split, find_mistakes(truth, speck).invented) == ((), (2,))
    piece = np.array([[1] * 9 + [2] * 2])
    assert (find_mistakes(truth, piece).split, find_mistakes(truth, piece).invented) == (((1, (1, 2)),), ())


def test_what_lies_where_nothing_is_known_is_not_invented() -> None:
    known = np.ones(TRUTH.shape, bool)
    known[2:, 8:] = False
    assert found("111..222..", "111..222..", "....3333.9", "444.....99", known=known).invented == ()
    known[3] = True
    assert found("111..222..", "111..222..", "....3333.9", "444.....99", known=known).invented == (9,)


def test_nothing_to_find_and_nothing_found() -> None:
    empty = np.zeros((3, 4), int)
    assert find_mistakes(empty, empty).quality == 1
    assert find_mistakes(TRUTH, np.zeros_like(TRUTH)).missed == (1, 2, 3, 4)
    assert find_mistakes(np.zeros_like(TRUTH), TRUTH).invented == (1, 2, 3, 4)
    assert find_mistakes(np.zeros_like(TRUTH), TRUTH).quality == 0


@given(maps, maps)
def test_every_cell_and_object_has_one_fate(truth: np.ndarray, result: np.ndarray) -> None:
    """A cell is missed, split, merged or matched alone; no object is both invented and of use; SEG is unchanged."""
    mistakes, match = find_mistakes(truth, result), match_frame(truth, result)
    merged = {cell for merge in mistakes.merged for cell in merge.cells}
    split = {item.cell for item in mistakes.split}
    missed = set(mistakes.missed)
    assert not merged & split
    assert not (merged | split) & missed
    assert missed <= set(match.missed) <= missed | split
    pieces = {piece for item in mistakes.split for piece in item.pieces}
    assert not set(mistakes.invented) & (pieces | set(match.matched))
    assert set(match.spurious) == set(mistakes.invented) | (pieces & set(match.spurious))
    assert mistakes.jaccards == tuple(object_jaccards(truth, result))
    assert 0 <= mistakes.quality <= 1
