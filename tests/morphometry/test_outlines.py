from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from label_maps import all_ids, draw, odd_cells, small_maps
from skimage.measure import label

from unetpipe.morphometry import outline_polygons


@given(small_maps)
@settings(max_examples=400)
def test_polygons_cover_exactly_the_pixels_of_their_cell(labels: np.ndarray):
    outlines = outline_polygons(labels)
    assert list(outlines) == np.unique(labels[labels > 0]).tolist()
    for cell, polygons in outlines.items():
        assert np.array_equal(draw(polygons, labels.shape), labels == cell)
        assert len(polygons) == label(labels == cell, connectivity=1).max()


@given(small_maps)
@settings(max_examples=400)
def test_polygons_are_valid_geometry(labels: np.ndarray):
    shapely = pytest.importorskip("shapely")
    for cell, polygons in outline_polygons(labels).items():
        shapes = [shapely.Polygon(outer, holes) for outer, *holes in polygons]
        assert all(shape.is_valid and shape.exterior.is_ccw for shape in shapes)
        assert all(not hole.is_ccw for shape in shapes for hole in shape.interiors)
        assert sum(shape.area for shape in shapes) == np.count_nonzero(labels == cell)
        assert shapely.MultiPolygon(shapes).is_valid


def test_corners_are_those_of_pixels_and_straight_runs_have_none():
    labels = np.zeros((9, 9), int)
    labels[2:4, 3:8] = 1
    ((ring,),) = outline_polygons(labels)[1]
    assert sorted(ring.tolist()) == [[3, 2], [3, 4], [8, 2], [8, 4]]
    ((moved,),) = outline_polygons(labels, top=100, left=1000)[1]
    assert np.array_equal(moved, ring + np.array([1000, 100]))


@pytest.mark.parametrize("labels", [odd_cells(), all_ids()], ids=["odd cells", "65535 ids"])
def test_odd_cells(labels: np.ndarray):
    outlines = outline_polygons(labels)
    assert list(outlines) == np.unique(labels[labels > 0]).tolist()
    whole = np.zeros(labels.shape, int)
    for cell, polygons in list(outlines.items())[:500]:
        whole[draw(polygons, labels.shape)] = cell
    assert np.array_equal(whole, np.where(labels <= max(list(outlines)[:500]), labels, 0))


def test_an_empty_map_has_no_outline():
    assert outline_polygons(np.zeros((5, 5), np.uint16)) == {}
