from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unetpipe.metrics.detection import DetectionScore
from unetpipe.metrics.matching import match_frame, within_known
from unetpipe.metrics.pixels import PixelScore
from unetpipe.metrics.summary import FrameScore, score_segmentation, summarise

maps = arrays(np.uint16, (4, 6), elements=st.integers(0, 3))
masks = arrays(bool, (4, 6))


def line(text: str) -> np.ndarray:
    return np.array([[0 if letter == "." else int(letter) for letter in text]])


TRUTH = line("1111....22..")
RESULT = line("111.6666.2.5")
KNOWN = line("1111..111111") > 0  # a cell at 4–5 was not annotated


def test_cell_that_was_not_annotated_costs_nothing() -> None:
    # object 6: two of its four pixels are unknown, not more than half; it stays, clipped
    truth, result = within_known(TRUTH, RESULT, KNOWN)
    assert (truth == TRUTH).all()
    assert (result == line("111...66.2.5")).all()
    # one more unknown pixel, and it is that cell
    known = KNOWN & (np.arange(12) != 6)
    assert (within_known(TRUTH, RESULT, known)[1] == line("111......2.5")).all()


def test_measures_count_only_what_is_known_but_seg_all() -> None:
    known = KNOWN & (np.arange(12) != 6)
    score = score_segmentation(7, TRUTH, RESULT, known)
    assert score.pixels == PixelScore(both=4, either=7)
    assert score.detection == DetectionScore(tp=1, fp=2, fn=1)  # an IoU of exactly 0.5 is no pair
    assert [(cell.frame, cell.id, cell.jaccard, cell.result_id) for cell in score.objects] == [
        (7, 1, 0.75, 1),
        (7, 2, 0, 0),
    ]
    assert score_segmentation(7, TRUTH, RESULT).detection == DetectionScore(tp=1, fp=3, fn=1)
    # pairs at 0.50 … 0.70 and not at 0.75, 4 objects in one or the other
    assert score.mean_precision == pytest.approx(5 * (1 / 4) / 10)


@given(maps, maps, masks)
def test_unknown_pixels_do_not_matter(truth: np.ndarray, result: np.ndarray, known: np.ndarray) -> None:
    clipped = within_known(truth, result, known)
    for before, after in zip((truth, result), clipped, strict=True):
        assert not after[~known].any()
        assert ((after == before) | (after == 0)).all()
        assert after.dtype == before.dtype
    assert (within_known(*clipped, known)[1] == clipped[1]).all()
    other = np.where(known, truth, 3)  # what truth says where it is not known
    assert score_segmentation(0, other, result, known).pixels == score_segmentation(0, truth, result, known).pixels


@given(maps, maps)
def test_bounds_and_perfect_results(truth: np.ndarray, result: np.ndarray) -> None:
    frames = [FrameScore("", 0, score_segmentation(0, truth, result), match_frame(truth, result))]
    for value in summarise(frames).scores().values():
        assert value is None or 0 <= value <= 1
    perfect = [FrameScore("", 0, score_segmentation(0, truth, truth), match_frame(truth, truth))]
    assert {value for value in summarise(perfect).scores().values() if value is not None} == {1}


def test_empty_result_scores_nothing_and_invented_cells_lower_all_but_seg() -> None:
    nothing = np.zeros_like(TRUTH)
    empty = summarise([FrameScore("", 0, score_segmentation(0, TRUTH, nothing), match_frame(TRUTH, nothing))])
    assert {
        name: value for name, value in empty.scores().items() if name not in ("TRA", "division_F1")
    } == dict.fromkeys(["SEG", "DET", "IoU", "Dice", "precision", "recall", "F1", "mean_precision"], 0)
    more = np.where(TRUTH == 0, 9, TRUTH)
    invented = summarise([FrameScore("", 0, score_segmentation(0, TRUTH, more), match_frame(TRUTH, more))]).scores()
    assert (invented["SEG"], invented["recall"]) == (1, 1)
    for name in ("DET", "IoU", "Dice", "precision", "F1", "mean_precision"):
        assert (invented[name] or 0) < 1


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\) and truth \(1, 12\)"):
        within_known(TRUTH, RESULT, np.ones((1, 3), bool))
