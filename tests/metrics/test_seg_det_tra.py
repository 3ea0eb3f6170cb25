from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetpipe.datasets import find_records
from unetpipe.io import read_labels
from unetpipe.metrics import BestThresholdSEGMetric, SEGMetric, object_jaccards


def line(text: str) -> np.ndarray:
    """Read a label map of one row; a dot is background."""
    return np.array([[0 if c == "." else int(c) for c in text]], np.int32)


def tensor(text: str) -> torch.Tensor:
    return torch.from_numpy(line(text))[None]


@pytest.mark.parametrize(
    ("truth", "result", "expected"),
    [
        ("11.22.3", "55.44.9", [1, 1, 1]),  # perfect, ids differ
        ("11.22", ".....", [0, 0]),  # nothing found
        ("1112..", "3333..", [3 / 4, 1 / 4]),  # merged: it covers more than half of both
        ("1122..", "333333", [2 / 6, 2 / 6]),  # merged and too large
        ("1122..", ".33...", [0, 0]),  # half of each, not more
        ("1111..", "11....", [0]),  # exactly half does not count
        ("1111..", "111...", [3 / 4]),  # more than half does
        ("1111..", "1122..", [0]),  # split in halves: neither
        ("11111.", "11122.", [3 / 5]),  # split: the larger part
        ("11....", "11.222", [1]),  # false positives do not matter
        ("11....", "1111..", [2 / 4]),  # too large
        ("......", "11....", []),  # no reference object
        ("2.1...", "7.....", [0, 1]),  # in the order of the ids
    ],
)
def test_by_hand(truth: str, result: str, expected: list[float]) -> None:
    np.testing.assert_allclose(object_jaccards(line(truth), line(result)), expected)


label_maps = hnp.arrays(np.uint16, (6, 7), elements=st.sampled_from([0, 1, 2, 3, 65535]))


@settings(max_examples=80)
@given(truth=label_maps, result=label_maps)
def test_equals_the_definition(truth: np.ndarray, result: np.ndarray) -> None:
    expected = []
    for number in sorted(set(truth.ravel().tolist()) - {0}):
        reference, score = truth == number, 0.0
        for other in set(result.ravel().tolist()) - {0}:
            found = result == other
            if (reference & found).sum() > 0.5 * reference.sum():
                score = (reference & found).sum() / (reference | found).sum()
        expected.append(score)
    np.testing.assert_allclose(object_jaccards(truth, result), expected)


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\).*\(1, 4\)"):
        object_jaccards(line("111"), line("1111"))


def test_aggregate_is_the_mean_over_objects_not_over_images() -> None:
    """One image with 3 cells found, one with a cell missed: 3/4, not 1/2."""
    metric = SEGMetric()
    metric([tensor("1.2.3"), tensor(".....")], [tensor("1.2.3"), tensor("11...")])
    assert metric.aggregate() == pytest.approx(3 / 4)
    assert metric.objects == 4


def test_images_may_differ_in_size_and_come_one_by_one() -> None:
    metric = SEGMetric()
    metric([tensor("1.2")], [tensor("1.2")])
    metric([tensor("......")], [tensor("1111..")])
    metric([tensor("1....")], [tensor(".....")])  # no reference object: counts for nothing
    assert metric.aggregate() == pytest.approx(2 / 3)
    assert metric.objects == 3
    metric.reset()
    metric([tensor("1.2")], [tensor("1.2")])
    assert (metric.aggregate(), metric.objects) == (1, 2)


def test_batched_tensors_are_taken() -> None:
    metric = SEGMetric()
    metric(torch.stack([tensor("11.."), tensor("11..")]), torch.stack([tensor("11.."), tensor("1111")]))
    assert metric.aggregate() == pytest.approx(1 / 2)


def test_prediction_comes_first() -> None:
    metric = SEGMetric()
    metric([tensor("11....")], [tensor("111...")])
    assert metric.aggregate() == pytest.approx(2 / 3)
    metric.reset()
    metric([tensor("111...")], [tensor("1.....")])
    assert metric.aggregate() == pytest.approx(1 / 3)
    metric.reset()
    metric([tensor("1.....")], [tensor("111...")])
    assert metric.aggregate() == 0


def test_without_reference_objects_it_is_nan() -> None:
    for metric in (SEGMetric(), BestThresholdSEGMetric([0.5])):
        pred = tensor("....").float().repeat(2, 1, 1) if isinstance(metric, BestThresholdSEGMetric) else tensor("1...")
        metric([pred], [tensor("....")])
        assert math.isnan(metric.aggregate())


def probability(*cell: float) -> torch.Tensor:
    """Return class probabilities (2, 1, W) of one row from the probability of cell."""
    return torch.tensor([[1 - p for p in cell], list(cell)], dtype=torch.float64)[:, None]


def test_best_threshold_is_found() -> None:
    """At 0.2 the cells merge, at 0.8 the faint one is lost; at 0.5 both are right."""
    metric = BestThresholdSEGMetric([0.8, 0.2, 0.5], ridge_refill_radius=0)
    metric([probability(0.9, 0.9, 0.3, 0.7, 0.7)], [tensor("11.22")])
    assert metric.aggregate() == 1
    assert metric.best["threshold"] == 0.5


@pytest.mark.parametrize(("equals", "middle"), [([0.3, 0.4, 0.6], [0.4]), ([0.3, 0.4, 0.5, 0.6], [0.4, 0.5])])
def test_best_threshold_is_the_middle_one_of_equals(equals: list[float], middle: list[float]) -> None:
    """At 0.1 the cells merge, at 0.95 nothing is left."""
    metric = BestThresholdSEGMetric([0.1, *equals, 0.95], ridge_refill_radius=0)
    metric([probability(0.9, 0.9, 0.2, 0.7, 0.7)], [tensor("11.22")])
    assert metric.aggregate() == 1
    assert metric.best["threshold"] in middle


def test_best_threshold_is_chosen_over_all_objects() -> None:
    """Three cells of one image want 0.2, one cell of another wants 0.7."""
    metric = BestThresholdSEGMetric([0.2, 0.7], ridge_refill_radius=0)
    metric(
        [probability(0.5, 0.0, 0.5, 0.0, 0.5), probability(0.9, 0.5, 0.0, 0.0, 0.0)], [tensor("1.2.3"), tensor("1....")]
    )
    assert metric.aggregate() == pytest.approx((3 + 1 / 2) / 4)
    assert metric.best["threshold"] == 0.2


def test_best_threshold_uses_min_size_and_ridge() -> None:
    faint = probability(0.9, 0.9, 0.1, 0.1, 0.9, 0.9)
    truth = tensor("111222")
    for ridge, expected in ((2.0, 1.0), (0.0, 2 / 3)):
        metric = BestThresholdSEGMetric([0.5], ridge_refill_radius=ridge)
        metric([faint], [truth])
        assert metric.aggregate() == pytest.approx(expected)
    metric = BestThresholdSEGMetric([0.5], min_size=3, ridge_refill_radius=0)
    metric([faint], [truth])
    assert metric.aggregate() == 0


def test_best_markers_are_found() -> None:
    """At 0.4 two cells are one, at 0.6 they lose their rims; between centres above 0.8 they part."""
    metric = BestThresholdSEGMetric([0.4, 0.6], [0.8], ridge_refill_radius=0)
    metric([probability(0.5, 0.9, 0.5, 0.45, 0.9, 0.5)], [tensor("111222")])
    assert metric.aggregate() == pytest.approx(1)
    assert metric.best == {"threshold": 0.4, "marker_threshold": 0.8, "merge_threshold": None}


@pytest.mark.parametrize(("name", "expected"), [("DIC-C2DH-HeLa", 0.96475), ("PhC-C2DH-U373", 0.95113)])
def test_real_segmentations_score_as_the_challenge_scores_them(real_data: Path, name: str, expected: float) -> None:
    folder = real_data / "ctc" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    metric = SEGMetric()
    for record in find_records(folder, "gold"):
        result = read_labels(folder / "01_ERR_SEG" / f"mask{record['frame']:03d}.tif")
        truth = read_labels(record["label"])
        metric([torch.from_numpy(result)[None]], [torch.from_numpy(truth)[None]])
    assert metric.aggregate() == pytest.approx(expected, abs=5e-6)


def test_before_the_first_image_there_is_no_score():
    assert math.isnan(SEGMetric().aggregate())
    assert SEGMetric().objects == 0
    assert math.isnan(BestThresholdSEGMetric([0.5]).aggregate())
