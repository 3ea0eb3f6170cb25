from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from unetpipe.instances import cut_ridge
from unetpipe.transforms import TouchingRidge, TouchingRidged

TOUCHING = np.array([[[3, 3, 3, 65535, 65535], [3, 3, 0, 0, 65535]]], np.uint16)
CUT = np.array([[[3, 3, 0, 0, 65535], [3, 3, 0, 0, 65535]]], np.uint16)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_one_pixel_is_taken_from_each_of_two_touching_cells(dtype: type) -> None:
    label = TOUCHING.astype(dtype)
    result = TouchingRidge()(label)
    assert result.dtype == torch.from_numpy(label).dtype
    np.testing.assert_array_equal(result.numpy(), CUT.astype(dtype))
    np.testing.assert_array_equal(label, TOUCHING)  # the input stays


def test_cells_apart_stay_whole() -> None:
    apart = np.array([[[1, 1, 0, 2, 2]]], np.int32)
    np.testing.assert_array_equal(TouchingRidge()(apart).numpy(), apart)


def test_radius_is_passed_on() -> None:
    label = np.array([[[1, 1, 1, 1, 2, 2, 2, 2]]], np.int32)
    for radius in (0, 1, 2, 3):
        expected = cut_ridge(label[0], radius)
        assert np.count_nonzero(expected) == 8 - 2 * radius
        np.testing.assert_array_equal(TouchingRidge(radius)(label)[0].numpy(), expected)
        np.testing.assert_array_equal(TouchingRidged("label", radius)({"label": label})["label"][0].numpy(), expected)


def test_dictionary_form_keeps_meta_data_and_other_keys() -> None:
    label = MetaTensor(torch.from_numpy(TOUCHING.astype(np.int32)), meta={"name": "cells"})
    item = {"label": label, "image": "untouched"}
    result = TouchingRidged("label")(item)
    assert isinstance(result["label"], MetaTensor)
    assert result["label"].meta["name"] == "cells"
    np.testing.assert_array_equal(result["label"].numpy(), CUT.astype(np.int32))
    assert result["image"] == "untouched"
    np.testing.assert_array_equal(item["label"].numpy(), TOUCHING.astype(np.int32))


def test_missing_key_is_an_error_unless_allowed() -> None:
    with pytest.raises(KeyError, match="label"):
        TouchingRidged("label")({"image": 1})
    assert TouchingRidged("label", allow_missing_keys=True)({"image": 1}) == {"image": 1}
