from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unetpipe.mirror import mirror_crop, mirror_indices


@given(size=st.integers(1, 30), before=st.integers(0, 120), after=st.integers(0, 120))
def test_indices_equal_numpy_reflect(size: int, before: int, after: int) -> None:
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    np.testing.assert_array_equal(mirror_indices(-before, size + after, size).numpy(), expected)


def test_indices_by_hand() -> None:
    assert mirror_indices(-4, 6, 3).tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]
    assert mirror_indices(-2, 3, 1).tolist() == [0, 0, 0, 0, 0]
    assert mirror_indices(7, 9, 3).tolist() == [1, 0]  # a range that lies outside altogether
    assert mirror_indices(2, 2, 3).tolist() == []


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    corner=st.tuples(st.integers(-30, 30), st.integers(-30, 30)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_crop_equals_numpy_reflect_and_slicing(shape, corner, size) -> None:
    image = np.arange(2 * shape[0] * shape[1]).reshape(2, *shape)
    padded = np.pad(image, [(0, 0), (30, 60), (30, 60)], mode="reflect")
    (top, left), (height, width) = corner, size
    expected = padded[:, 30 + top : 30 + top + height, 30 + left : 30 + left + width]
    np.testing.assert_array_equal(mirror_crop(torch.from_numpy(image), top, left, height, width).numpy(), expected)


@pytest.mark.parametrize(("left", "is_view"), [(2, True), (3, False), (-1, False)])
def test_crop_is_a_view_only_inside(left: int, is_view: bool) -> None:
    image = torch.zeros(1, 4, 6)
    mirror_crop(image, 0, left, 4, 4).fill_(1)
    assert bool(image.any()) is is_view


def test_crop_keeps_dtype_and_leading_axes() -> None:
    crop = mirror_crop(torch.zeros(2, 3, 4, 5, dtype=torch.bool), -2, -2, 9, 7)
    assert crop.shape == (2, 3, 9, 7)
    assert crop.dtype == torch.bool
