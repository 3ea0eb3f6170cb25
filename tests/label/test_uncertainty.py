"""Uncertainty along outlines."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unetpipe.label.uncertainty import border_uncertainty


def disc(blur: float, radius: int = 12, noise: float = 0.0) -> np.ndarray:
    rows, columns = np.mgrid[:64, :64]
    cell = (np.hypot(rows - 32, columns - 32) < radius).astype(float)
    return np.clip(ndimage.gaussian_filter(cell, blur) + noise, 0, 1)


def test_a_vague_outline_scores_higher():
    scores = [border_uncertainty(disc(blur)) for blur in (0.3, 1, 2, 4)]
    assert scores == sorted(scores)
    assert scores[0] < 0.1 < scores[-1] <= 1


def test_neither_size_nor_number_of_cells_counts():
    one = border_uncertainty(disc(1))
    four = border_uncertainty(np.tile(disc(1), (2, 2)))
    large = border_uncertainty(disc(1, radius=24))
    assert abs(four - one) < 0.01
    assert abs(large - one) < 0.05


def test_far_from_outlines_nothing_counts():
    far = np.where(disc(6) < 0.01, 0.2, 0)
    assert abs(border_uncertainty(disc(0.3) + far) - border_uncertainty(disc(0.3))) < 0.05


def test_without_outline_the_whole_image_counts():
    assert border_uncertainty(np.zeros((8, 9))) < 1e-4
    assert abs(border_uncertainty(np.full((8, 9), 0.5)) - 1) < 1e-9
