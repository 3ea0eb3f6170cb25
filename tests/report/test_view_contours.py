"""Outlines as paths, in half pixels."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unetpipe.report.gallery import centre, object_paths, outline_path


def area(path: str) -> float:
    """Area in pixels, by the shoelace formula; a hole counts negative."""
    total = 0.0
    for start, steps in re.findall(r"M([-\d ]+)l([-\d ]+)z", path):
        points = np.array([start.split(), *np.array(steps.split()).reshape(-1, 2)], int).cumsum(0)
        x, y = points.T
        total += float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 8
    return abs(total)


def test_a_square() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:4] = True
    # 4 pixels without a corner of 1/8 pixel each
    assert area(outline_path(mask)) == 4 - 4 / 8
    numbers = [int(number) for number in re.findall(r"M(-?\d+) (-?\d+)", outline_path(mask, (10, 20)))[0]]
    assert 40 + 4 <= numbers[0] <= 40 + 8
    assert 20 + 2 <= numbers[1] <= 20 + 6


def test_a_hole_has_an_outline() -> None:
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    assert area(outline_path(ring)) == 25 - 4 / 8 - 4 / 8
    assert outline_path(np.zeros((3, 3), bool)) == ""


def test_objects_by_id_wherever_they_lie() -> None:
    labels = np.array([[7, 7, 0], [70000, 0, 0], [70000, 7, 7]])
    paths = object_paths(labels)
    assert paths.keys() == {7, 70000}
    assert paths[7].count("M") == 2
    assert paths[70000] == outline_path(labels == 70000)
    assert object_paths(np.zeros((2, 2), int)) == {}
    assert object_paths(np.full((2, 2), 3)).keys() == {3}


@given(arrays(bool, (5, 6), elements=st.booleans()).filter(np.any))
def test_the_letter_stands_in_the_object(mask: np.ndarray) -> None:
    x, y = centre(mask)
    assert mask[y // 2, x // 2]
    assert outline_path(mask).count("z") >= 1
