from __future__ import annotations

import math

import pytest
import torch
from monai.data import MetaTensor

from unetpipe.metrics import BestThresholdMeanPrecisionMetric, BestThresholdSEGMetric


def image(cell: list[float]) -> torch.Tensor:
    """Return class probabilities (2, 1, W) from the probability of cell."""
    return torch.tensor([[1 - value for value in cell], cell])[:, None]


INVENTED = image([0.9, 0.9, 0.1, 0.6, 0.6, 0.1, 0.6])
TRUTH = torch.tensor([[[1, 1, 0, 0, 0, 0, 0]]])


def test_invented_cells_decide_unlike_in_seg():
    """At 0.5 one cell is true and two are invented (1/3), at 0.7 it stands alone; to SEG both are perfect."""
    metric, seg = (
        BestThresholdMeanPrecisionMetric([0.5, 0.7], ridge_refill_radius=0),
        BestThresholdSEGMetric([0.5], ridge_refill_radius=0),
    )
    metric([INVENTED], [TRUTH])
    seg([INVENTED], [TRUTH])
    assert seg.aggregate() == 1
    assert metric.aggregate() == 1
    assert metric.best == {"threshold": 0.7, "marker_threshold": None, "merge_threshold": None}


def test_every_image_counts_alike():
    """One image with a third, one perfect with two cells: the mean over images, not over their cells."""
    metric = BestThresholdMeanPrecisionMetric([0.5], ridge_refill_radius=0)
    two = image([0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1])
    metric([INVENTED, two], [TRUTH, torch.tensor([[[1, 1, 0, 2, 2, 0, 0]]])])
    assert metric.aggregate() == pytest.approx((1 / 3 + 1) / 2)


def test_outlines_count_by_iou():
    """IoU 3/4 is above 0.5, 0.55 … 0.7: five of ten thresholds."""
    metric = BestThresholdMeanPrecisionMetric([0.5], ridge_refill_radius=0)
    metric([image([0.9, 0.9, 0.9, 0.1])], [torch.tensor([[[1, 1, 1, 1]]])])
    assert metric.aggregate() == pytest.approx(0.5)


def of(truth: torch.Tensor, perturbation: str) -> MetaTensor:
    return MetaTensor(truth, meta={"perturbation": perturbation})


def test_plain_and_perturbed_frames_count_half_each_and_perturbations_alike():
    """At 0.5 plain frames score 1/3, at 0.7 they score 1. Perturbed: with noise 1 and 0, with a ramp 0 and 0."""
    faint, none = image([0.6, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1]), image([0.1] * 7)
    metric = BestThresholdMeanPrecisionMetric([0.5, 0.7], ridge_refill_radius=0)
    metric([INVENTED, INVENTED], [of(TRUTH, ""), of(TRUTH, "")])
    metric([faint, none], [of(TRUTH, "noise 0.3 sd"), of(TRUTH, "ramp 1 sd")])
    # at 0.5: (1/3 + 1/2) / 2, at 0.7: (1 + 0) / 2
    assert metric.aggregate() == pytest.approx(1 / 2)
    assert metric.best["threshold"] == 0.7
    assert metric.parts == {"plain": 1, "noise 0.3 sd": 0, "ramp 1 sd": 0}
    metric([faint], [of(TRUTH, "flat ground")])  # at 0.5: (1/3 + 2/3) / 2, so both are equal, and the middle is 0.7
    metric([faint], [of(TRUTH, "flat ground")])
    assert metric.aggregate() == pytest.approx(1 / 2)
    metric([faint, faint, faint], [of(TRUTH, "ramp 1 sd")] * 3)
    # at 0.5: (1/3 + (1 + 3/4 + 1) / 3) / 2
    assert metric.aggregate() == pytest.approx((1 / 3 + 11 / 12) / 2)
    assert metric.best["threshold"] == 0.5


def test_both_scores_are_said(caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO"):
        metric = BestThresholdSEGMetric([0.5], ridge_refill_radius=0)
        metric([INVENTED, image([0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])], [of(TRUTH, ""), of(TRUTH, "ramp 1 sd")])
        metric.aggregate()
    assert caplog.messages == ["1.0000 on plain frames, 0.0000 on perturbed ones (ramp 1 sd 0.0000)"]


def test_empty_metric_is_nan():
    assert math.isnan(BestThresholdMeanPrecisionMetric([0.5], ridge_refill_radius=0).aggregate())


def test_truth_is_needed():
    with pytest.raises(ValueError, match="truth"):
        BestThresholdMeanPrecisionMetric([0.5], ridge_refill_radius=0)([INVENTED])
