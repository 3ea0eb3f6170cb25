from __future__ import annotations

import numpy as np
import pytest
import torch

from unetpipe.metrics import BestThresholdDiceMetric


def test_best_threshold_over_all_images():
    metric = BestThresholdDiceMetric([0.2, 0.5, 0.8])
    foreground = np.array([[0.1, 0.3, 0.6, 0.9]])
    probability = torch.from_numpy(np.stack([1 - foreground, foreground]))
    metric([probability, probability], [torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 0, 5, 0]]])])
    # at 0.5: both = 2 + 1, sizes 4 predicted, 3 true
    assert metric.aggregate() == pytest.approx(6 / 7)
    assert metric.best == {"threshold": 0.5, "marker_threshold": None, "merge_threshold": None}
