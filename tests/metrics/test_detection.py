from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import contingency_table

from unetpipe.metrics.detection import (
    MEAN_PRECISION_THRESHOLDS,
    DetectionScore,
    detection_score,
    mean_precision,
)
from unetpipe.metrics.matching import match_frame, overlap
from unetpipe.metrics.pixels import mask_dice, mask_iou
from unetpipe.metrics.seg_det_tra import object_jaccards
from unetpipe.metrics.summary import score_segmentation
from unetpipe.report.mistakes import find_mistakes

maps = arrays(np.uint16, (4, 5), elements=st.integers(0, 4))
sparse_maps = arrays(np.int64, (3, 4), elements=st.sampled_from([0, 7, 65535, 65536, 2**40]))


def row(*runs: tuple[int, int]) -> np.ndarray:
    """A one-row map of runs of an id and a length."""
    return np.repeat([run[0] for run in runs], [run[1] for run in runs])[None]


def table(truth: np.ndarray, result: np.ndarray) -> dict[tuple[int, int], int]:
    """The pixels that two ids share, by the ids."""
    truth_ids, result_ids, shared = overlap(truth, result)
    pairs = zip(truth_ids[shared.rows - 1].tolist(), result_ids[shared.columns - 1].tolist(), strict=True)
    return dict(zip(pairs, shared.counts.tolist(), strict=True))


@given(maps, maps)
def test_overlap_counts_every_pixel_once(truth: np.ndarray, result: np.ndarray) -> None:
    truth_ids, result_ids, shared = overlap(truth, result)
    assert truth_ids.tolist() == sorted(set(truth.ravel().tolist()) - {0})
    assert shared.row_sizes.tolist() == [(truth == number).sum() for number in [0, *truth_ids]]
    assert shared.column_sizes.tolist() == [(result == number).sum() for number in [0, *result_ids]]
    assert shared.counts.sum() == ((truth > 0) & (result > 0)).sum()


@given(maps, maps)
def test_overlap_counts_what_scikit_image_counts(truth: np.ndarray, result: np.ndarray) -> None:
    expected = contingency_table(truth, result).toarray()
    expected[0], expected[:, 0] = 0, 0
    found = table(truth, result)
    assert found == {(i, j): expected[i, j] for i, j in np.argwhere(expected > 0).tolist()}
    assert list(found) == sorted(found)


@given(sparse_maps, sparse_maps)
def test_overlap_takes_any_ids(truth: np.ndarray, result: np.ndarray) -> None:
    ids = [0, 7, 65535, 65536, 2**40]
    small = {number: place for place, number in enumerate(ids)}
    expected = table(np.vectorize(small.get)(truth), np.vectorize(small.get)(result))
    assert table(truth, result) == {(ids[i], ids[j]): count for (i, j), count in expected.items()}


@given(maps, maps)
def test_ious_follow_the_definition(truth: np.ndarray, result: np.ndarray) -> None:
    shared = overlap(truth, result)[2]
    for (truth_id, result_id), iou in zip(table(truth, result), shared.ious, strict=True):
        one, other = truth == truth_id, result == result_id
        assert iou == (one & other).sum() / (one | other).sum() == mask_iou(one, other)


@given(maps, maps)
def test_the_two_ways_to_count_agree(truth: np.ndarray, result: np.ndarray) -> None:
    """Many objects are counted by sorting, few in a table; background around them makes few of many."""
    around = ((0, 10), (0, 10))
    assert table(truth, result) == table(np.pad(truth, around), np.pad(result, around))


def test_as_many_objects_as_16_bits_hold_take_little_memory() -> None:
    """A table of all objects against all would take 32 GiB."""
    truth = np.kron(np.arange(65536, dtype=np.uint16).reshape(256, 256), np.ones((2, 2), np.uint16))
    result = np.where(np.arange(512) % 4 == 3, 0, truth)  # every second object loses one of its two columns
    tracemalloc.start()
    try:
        score = score_segmentation(0, truth, result)
        mistakes = find_mistakes(truth, result)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300e6
    kept, halved = 32767, 32768  # the first object is background
    assert sum(cell.jaccard for cell in score.objects) == kept
    assert score.detection == DetectionScore(tp=kept, fp=halved, fn=halved)
    assert mistakes.counts == {"missed": halved, "merged": 0, "split": 0, "invented": halved}


@given(maps, maps)
def test_matches_are_those_that_seg_scores(truth: np.ndarray, result: np.ndarray) -> None:
    match = match_frame(truth, result)
    for cell, found, jaccard in zip(match.reference, match.matched, object_jaccards(truth, result), strict=True):
        assert (found > 0) == (jaccard > 0)
        if found:
            assert mask_iou(truth == cell, result == found) == pytest.approx(jaccard)


def test_match_needs_more_than_half() -> None:
    match = match_frame(row((1, 4), (2, 4), (3, 4), (0, 4)), row((9, 7), (0, 1), (8, 2), (0, 3), (7, 3)))
    assert match.reference == (1, 2, 3)
    assert match.matched == (9, 9, 0)
    assert (match.missed, match.spurious, match.merging) == ((3,), (7, 8), (9,))


def test_detections_are_counted_above_the_threshold() -> None:
    truth = row((1, 10), (2, 10), (3, 10), (0, 10))
    result = row((5, 10), (6, 8), (0, 2), (7, 5), (0, 10), (8, 5))  # IoU 1, 0.8 and 0.5; one spurious
    score = detection_score(truth, result)
    assert score == DetectionScore(tp=2, fp=2, fn=1)
    assert (score.precision, score.recall) == (0.5, pytest.approx(2 / 3))
    assert score.f1 == pytest.approx(2 * 2 / 7)
    assert score.jaccard == 2 / 5
    assert detection_score(truth, result, 0.8) == DetectionScore(tp=1, fp=3, fn=2)
    # 6 thresholds below 0.8, then 4 with one object
    assert mean_precision(truth, result) == pytest.approx((6 * 2 / 5 + 4 * 1 / 6) / 10)


def test_thresholds_of_mean_precision() -> None:
    assert MEAN_PRECISION_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_nothing_to_find() -> None:
    empty, one = row((0, 4)), row((1, 2), (0, 2))
    for truth, result, expected in ((empty, empty, 1.0), (empty, one, 0.0), (one, empty, 0.0)):
        score = detection_score(truth, result)
        assert (score.precision, score.recall, score.f1, score.jaccard) == (expected,) * 4
        assert mean_precision(truth, result) == mask_iou(truth, result) == mask_dice(truth, result) == expected


def test_masks_by_hand() -> None:
    truth, result = row((255, 3), (0, 3)), row((0, 1), (1, 4), (0, 1))
    assert mask_iou(truth, result) == 2 / 5
    assert mask_dice(truth, result) == 2 * 2 / (3 + 4)


def test_wrong_maps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4\) and result \(1, 3\)"):
        overlap(row((0, 4)), row((0, 3)))
    with pytest.raises(ValueError, match=r"\(1, 4\) and result \(1, 3\)"):
        mask_iou(row((0, 4)), row((0, 3)))
    with pytest.raises(ValueError, match="not float64"):
        overlap(row((0, 4)), np.zeros((1, 4)))
    with pytest.raises(ValueError, match="not -1"):
        overlap(row((-1, 4)), row((0, 4)))
    with pytest.raises(ValueError, match=r"got 0\.4"):
        detection_score(row((0, 4)), row((0, 4)), 0.4)
