from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unetpipe.metrics.isbi2012 import BestThresholdRandMetric, close_membranes, proposal_of_cells


def slice_(cell: list[float]) -> torch.Tensor:
    """Return class probabilities (2, 1, W) from the probability of cell."""
    return torch.tensor([[1 - value for value in cell], cell])[:, None]


def test_threshold_that_parts_the_cells_is_found() -> None:
    """At 0.3 the membrane leaks, at 0.8 a pixel of the second cell is lost, at 0.5 both are whole."""
    metric = BestThresholdRandMetric([0.8, 0.3, 0.5])
    metric([slice_([0.9, 0.9, 0.4, 0.9, 0.7])], [torch.tensor([[[1, 1, 0, 2, 2]]])])
    assert metric.aggregate() == pytest.approx(1)
    assert metric.best == {"threshold": 0.5, "marker_threshold": None, "merge_threshold": None}


def test_mean_over_slices() -> None:
    """One slice perfect, one with two cells merged: pairs 8, of which 4 + 4 true, 16 proposed: F = 2/3."""
    metric = BestThresholdRandMetric([0.5])
    truth = torch.tensor([[[1, 1, 0, 2, 2]]])
    metric([slice_([0.9, 0.9, 0.4, 0.9, 0.9]), slice_([0.9, 0.9, 0.9, 0.9, 0.9])], [truth, truth])
    assert metric.aggregate() == pytest.approx((1 + 2 / 3) / 2)


def test_empty_metric_is_nan() -> None:
    assert math.isnan(BestThresholdRandMetric([0.5]).aggregate())


def test_truth_is_needed() -> None:
    with pytest.raises(ValueError, match="truth"):
        BestThresholdRandMetric([0.5])([slice_([0.9])])


def test_a_faint_membrane_is_closed_by_markers() -> None:
    """Above 0.5 the membrane leaks; between centres above 0.8 the cells part."""
    metric = BestThresholdRandMetric([0.5], [0.8])
    metric([slice_([0.9, 0.9, 0.6, 0.55, 0.9, 0.9])], [torch.tensor([[[1, 1, 0, 0, 2, 2]]])])
    assert metric.aggregate() == pytest.approx(1)


def test_touching_cells_are_parted_by_a_membrane_of_one_pixel() -> None:
    cells = np.array([[1, 1, 2, 0], [1, 1, 2, 3], [4, 4, 2, 3]])
    assert proposal_of_cells(cells).tolist() == [[1, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 1]]


def test_membranes_between_cells_are_closed_in_the_probability() -> None:
    probability, cells = np.array([[0.9, 0.6, 0.7, 0.2]], np.float32), np.array([[1, 1, 2, 0]])
    closed = close_membranes(probability, cells)
    np.testing.assert_array_equal(closed, np.array([[0.9, 0, 0.7, 0.2]], np.float32))
    assert closed.dtype == np.float32
