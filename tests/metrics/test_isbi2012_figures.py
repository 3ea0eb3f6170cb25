"""The ISBI 2012 measures against the figures of the challenge's own code, all thresholds, all slices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from unetpipe.metrics.isbi2012 import (
    THRESHOLDS,
    Mismatch,
    ThresholdScores,
    isbi2012_scores,
    pixel_error,
    rand_error,
    thinned_labels,
    thinned_scores,
    warp,
    warping_error,
)

FIGURES = {
    "pixel_error": "pixel_error_1_minus_maxF",
    "pixel_distance": "pixel_error_min_over_thresholds",
    "rand_error": "fg_rand_error_1_minus_maxF",
    "warping_error": "warping_error_min",
    "splits_and_mergers": "splits_mergers_min(false,radius=-1)",
    "v_rand_mean": "vrand_thinned_macro_max_0.9",
    "v_rand_pooled": "vrand_thinned_micro_max_0.9",
    "v_info": "vinfo_thinned_max_0.9",
}
BEST_THRESHOLDS = {
    "pixel_error": "pixel_error_1_minus_maxF@best_threshold",
    "rand_error": "fg_rand_error@best_threshold",
    "warping_error": "warping_error@best_threshold",
    "splits_and_mergers": "splits_mergers@best_threshold",
    "v_rand_mean": "vrand_thinned_macro@best_threshold",
    "v_info": "vinfo_thinned@best_threshold",
}


def stack(path: Path) -> np.ndarray:
    with Image.open(path) as pages:
        return np.stack([np.array(page) for page in ImageSequence.Iterator(pages)])


@pytest.fixture(scope="module")
def reference(real_data: Path) -> Path:
    return real_data / "isbi2012" / "reference"


@pytest.fixture(scope="module")
def figures(reference: Path) -> dict:
    return json.loads((reference / "reference.json").read_text())


@pytest.fixture(scope="module")
def truth(real_data: Path) -> np.ndarray:
    return stack(real_data / "isbi2012" / "train-labels.tif")[18:24]


def proposal(reference: Path, name: str) -> np.ndarray:
    return stack(reference / f"{name}.tif").astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module", params=["A", "B", "D"])
def scored(request: pytest.FixtureRequest, reference: Path, figures: dict, truth: np.ndarray) -> tuple:
    scores = isbi2012_scores(truth, proposal(reference, request.param))
    return scores, figures[request.param]


def test_every_official_figure(scored: tuple[dict[str, ThresholdScores], dict]) -> None:
    scores, official = scored
    assert scores.keys() == FIGURES.keys()
    for name, key in FIGURES.items():
        assert scores[name].best == pytest.approx(official[key], abs=1e-12), name
    for name, key in BEST_THRESHOLDS.items():
        assert scores[name].best_threshold == official[key], name


def test_every_threshold_and_slice(scored: tuple[dict[str, ThresholdScores], dict]) -> None:
    scores, official = scored
    by_threshold = {key: np.array(value[:10]) for key, value in official["per_threshold"].items()}
    np.testing.assert_array_equal(THRESHOLDS, by_threshold["thresholds"])
    pixels = 512 * 512
    for name, expected in {
        "pixel_error": 1 - by_threshold["pixel[prec,rec,F,err,tp,tn,fp,fn]"][:, 2],
        "pixel_distance": by_threshold["pixel[prec,rec,F,err,tp,tn,fp,fn]"][:, 3],
        "rand_error": 1 - by_threshold["fg_rand[prec,rec,F,meanRI,tp,tn,fp,fn]"][:, 2],
        "warping_error": by_threshold["warping_error"],
        "v_rand_mean": by_threshold["vrand_thinned_macro_F"],
        "v_rand_pooled": by_threshold["vrand_thinned_micro_F"],
        "v_info": by_threshold["vinfo_thinned"],
    }.items():
        np.testing.assert_allclose(scores[name].values, expected, rtol=0, atol=1e-12, err_msg=name)
    for name, expected in {
        "warping_error": by_threshold["mismatches_per_slice"] / pixels,
        "v_rand_mean": by_threshold["vrand_thinned_F_per_slice"],
        "v_info": by_threshold["vinfo_thinned_per_slice"],
    }.items():
        np.testing.assert_allclose(scores[name].per_slice, expected, rtol=0, atol=1e-12, err_msg=name)


def test_classes_of_mismatches(reference: Path, figures: dict, truth: np.ndarray) -> None:
    tables = figures["B"]["per_threshold"]["class_counts_per_slice[MERGE,SPLIT,HOLE_ADD,OBJ_DEL,OBJ_ADD,HOLE_DEL]_r-1"]
    assert [kind.name for kind in Mismatch] == [
        "MERGER", "SPLIT", "HOLE_ADDITION", "OBJECT_DELETION", "OBJECT_ADDITION", "HOLE_DELETION",
    ]  # fmt: skip
    np.testing.assert_array_equal(warping_error(truth, proposal(reference, "B")).classes, tables[:10])


def test_intermediate_images(reference: Path, truth: np.ndarray) -> None:
    probability = proposal(reference, "B").astype(np.float64)
    labels, warped = stack(reference / "B_th0.5_thinned_labels.tif"), stack(reference / "B_th0.5_warped_truth.tif")
    for slice_ in range(6):
        thinned = thinned_labels(probability[slice_] > 0.5)
        pairs = np.unique([thinned.ravel(), labels[slice_].ravel()], axis=1)
        assert pairs.shape[1] == len(np.unique(thinned)) == len(np.unique(labels[slice_]))  # the same up to numbering
        np.testing.assert_array_equal(thinned == 0, labels[slice_] == 0)
        np.testing.assert_array_equal(warp(truth[slice_] > 0, probability[slice_]), warped[slice_] > 0)


@pytest.mark.parametrize(("name", "value"), [("all_membrane(0)", 0.0), ("all_cell(1)", 1.0)])
def test_empty_proposals(figures: dict, truth: np.ndarray, name: str, value: float) -> None:
    official = figures["degenerate@0.5"][name]
    probability = np.full(truth.shape, value, np.float32)
    warping, thinned = warping_error(truth, probability, [0.5]), thinned_scores(truth, probability, [0.5])
    assert warping.splits_and_mergers.best == pytest.approx(official["splits_mergers(false)"], abs=1e-12)
    assert warping.plain.best == pytest.approx(official["warping"], abs=1e-12)
    assert rand_error(truth, probability, [0.5]).best == pytest.approx(official["fg_rand_error"], abs=1e-12)
    assert pixel_error(truth, probability, [0.5]).best == pytest.approx(official["pixel_1-F"], abs=1e-12)
    assert thinned.v_rand_mean.best == pytest.approx(official["vrand_macro"], abs=1e-12)
    assert thinned.v_rand_pooled.best == pytest.approx(official["vrand_micro"], abs=1e-12)
    assert thinned.v_info.best == pytest.approx(official["vinfo"], abs=1e-12)
