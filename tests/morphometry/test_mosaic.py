from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from unetpipe.morphometry import count_neighbours, measure_mosaic
from unetpipe.report.pictures import EDGE_COLOUR, NEIGHBOUR_COLOURS, draw_mosaic


def bricks(rows: int = 5, columns: int = 5, height: int = 8, width: int = 12, margin: int = 12) -> np.ndarray:
    """Rows of bricks, each shifted by half a brick, with lines of one pixel: an inner brick has six neighbours."""
    label = np.zeros((rows * height + 2 * margin, (columns + 1) * width + 2 * margin), int)
    for row in range(rows):
        for column in range(columns):
            top, left = margin + row * height, margin + column * width + (row % 2) * width // 2
            label[top : top + height - 1, left : left + width - 1] = row * columns + column + 1
    return label


def test_inner_bricks_are_hexagons():
    neighbours = count_neighbours(bricks())
    inner = [number for number in neighbours.values() if number is not None]
    assert set(inner) == {6}
    assert neighbours[13] == 6  # the one in the middle
    assert neighbours[1] is None


def test_squares_have_four_neighbours_corners_do_not_count():
    y, x = np.mgrid[:50, :50]
    label = np.where((y % 10 == 0) | (x % 10 == 0), 0, 1 + (y // 10) * 5 + x // 10)
    label = np.pad(label, 10)
    assert {number for number in count_neighbours(label).values() if number is not None} == {4}


def test_density_and_variation():
    found = measure_mosaic(bricks(), pixel_size=2.0)
    assert found.cells == 25
    assert found.hexagonal == 1
    assert found.mean_area == pytest.approx(8 * 12 * 4, rel=0.05)  # with the lines shared out
    assert found.density == pytest.approx(1e6 / found.mean_area)
    assert found.variation < 0.1


def test_cells_cut_by_the_image_are_not_measured():
    label = bricks(margin=0)
    found = measure_mosaic(label)
    assert found.cells < 25
    assert found.density is None


def test_nothing_to_measure():
    assert measure_mosaic(np.zeros((9, 9), int)) == (0, None, None, None, None, 0, 0)


def test_picture_is_coloured_by_neighbours():
    label = bricks()
    picture = draw_mosaic(label)
    assert tuple(picture[label == 13][0]) == NEIGHBOUR_COLOURS[6]
    assert tuple(picture[label == 1][0]) == EDGE_COLOUR
    assert not picture[label == 0].any()


def test_high_ids_are_measured_and_drawn_as_low_ones():
    label = bricks()
    high = np.where(label > 0, label + 2_000_000_000, 0).astype(np.int32)
    tracemalloc.start()
    try:
        assert measure_mosaic(high) == measure_mosaic(label)
        assert np.array_equal(draw_mosaic(high), draw_mosaic(label))
        assert tracemalloc.get_traced_memory()[1] < 50e6  # bytes; a table up to the highest id takes 6e9
    finally:
        tracemalloc.stop()
