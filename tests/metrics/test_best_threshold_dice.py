from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from unetpipe.metrics import BestThresholdDiceMetric


def test_best_threshold_over_all_images():
    metric = BestThresholdDiceMetric([0.2, 0.5, 0.8])
    foreground = np.array([[0.1, 0.3, 0.6, 0.9]])
    probability = torch.from_numpy(np.stack([1 - foreground, foreground]))
    metric([probability, probability], [torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 0, 5, 0]]])])
    # at 0.5: both = 2 + 1, sizes 4 predicted, 3 true
    assert metric.aggregate() == pytest.approx(6 / 7)
    assert metric.best == {"threshold": 0.5, "marker_threshold": None, "merge_threshold": None}


def test_plain_and_perturbed_images_count_half_each():
    """Plain: Dice 1 at both thresholds; perturbed: 1 at 0.2, 0 at 0.8."""
    metric = BestThresholdDiceMetric([0.2, 0.8])
    sure, faint = (torch.tensor([[[0.9, 1 - p]], [[0.1, p]]]) for p in (0.9, 0.6))
    truth = torch.tensor([[[0, 1]]])
    metric([sure, sure, faint], [truth, truth, MetaTensor(truth, meta={"perturbation": "ramp 1 sd"})])
    assert metric.aggregate() == pytest.approx(1)
    assert metric.best["threshold"] == 0.2
    metric.reset()
    metric([faint, sure], [truth, MetaTensor(torch.tensor([[[0, 0]]]), meta={"perturbation": "flat ground"})])
    assert metric.aggregate() == pytest.approx((1 + 0) / 2)
