from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from unetpipe.datasets import find_records, measure_cells, measure_records, smallest_cell
from unetpipe.datasets.cells import touching_cells
from unetpipe.errors import InputError
from unetpipe.io import read_labels


def draw(picture: str) -> np.ndarray:
    """Read a label map from digits; a dot is background."""
    return np.array([[0 if c == "." else int(c) for c in line] for line in picture.split()], np.int32)


@pytest.mark.parametrize(
    ("picture", "touching"),
    [
        ("11.22", []),
        ("1122.", [1, 2]),
        ("11... 22...", [1, 2]),
        ("1.... .2...", []),  # a corner does not count
        ("11233 ..2..", [1, 2, 3]),
        ("111.. 1.1.5 111..", []),
        (".....", []),
    ],
)
def test_touching_is_side_by_side(picture: str, touching: list[int]) -> None:
    assert touching_cells(draw(picture)).tolist() == touching


def test_id_65535_touches() -> None:
    assert touching_cells(np.array([[65535, 1]], np.uint16)).tolist() == [1, 65535]


def test_statistics_by_hand() -> None:
    """Areas 2, 4 and 5 in one frame, 9 in the other; 1 and 2 touch, 2 and 3 meet at a corner only."""
    statistics = measure_cells([draw("11..33 2222.3 ....33"), draw("999999999")])
    assert statistics.cells == 4
    assert statistics.area == 4.5  # median of 2, 4, 5, 9
    assert statistics.diameter == pytest.approx(2 * math.sqrt(4.5 / math.pi))
    assert statistics.touching == 2 / 4


def test_frames_without_cells_count_for_nothing() -> None:
    assert measure_cells([draw("..."), draw("11.")]) == measure_cells([draw("11.")])


@pytest.mark.parametrize("labels", [[], [np.zeros((3, 4), int)]])
def test_no_cell_at_all_is_an_error(labels: list) -> None:
    with pytest.raises(InputError, match="no cell"):
        measure_cells(labels)


def test_records_are_measured_from_their_label_files(synthetic: Path) -> None:
    records = find_records(synthetic)
    assert measure_records(records) == measure_cells([read_labels(record["label"]) for record in records])


def test_smallest_cell_is_a_share_of_the_median(synthetic: Path) -> None:
    records = find_records(synthetic)
    area = measure_records(records).area
    assert smallest_cell(records) == round(0.1 * area)
    assert smallest_cell(records, share=0.5) == round(0.5 * area)
