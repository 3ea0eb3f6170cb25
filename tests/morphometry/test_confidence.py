from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from label_maps import odd_cells, small_maps

from unetpipe.morphometry import LabelledPage, measure_cells
from unetpipe.morphometry.cells import measure_cutout
from unetpipe.morphometry.confidence import cell_confidences, confidence_by_id


@given(small_maps)
@settings(max_examples=100)
def test_confidences_stay_with_their_cells_when_ids_change(labels: np.ndarray):
    probability = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    confidences = cell_confidences(labels, probability)
    renumbered = np.select([labels == 1, labels == 2, labels == 300], [7, 3, 5], 0)
    found = confidence_by_id(renumbered, confidences)
    expected = measure_cells(renumbered, probability=probability)
    means = dict(zip(expected["id"].tolist(), expected["confidence"].tolist(), strict=True))
    assert found == pytest.approx(means, abs=1e-6)


def test_confidences_of_another_number_of_cells_are_of_another_mask():
    assert confidence_by_id(odd_cells(), [0.5]) is None
    assert confidence_by_id(odd_cells(), None) is None
    assert confidence_by_id(np.zeros((2, 2), int), []) == {}


def test_the_table_takes_known_confidences():
    page = LabelledPage.in_memory(np.array([[4, 0, 9]]), confidence={4: 0.75})
    assert measure_cutout(page, next(iter(page.cutouts())))["confidence"][0] == 0.75
