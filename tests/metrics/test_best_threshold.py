from __future__ import annotations

import math

import pytest
import torch

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


def test_empty_metric_is_nan():
    assert math.isnan(BestThresholdMeanPrecisionMetric([0.5], ridge_refill_radius=0).aggregate())


def test_truth_is_needed():
    with pytest.raises(ValueError, match="truth"):
        BestThresholdMeanPrecisionMetric([0.5], ridge_refill_radius=0)([INVENTED])
