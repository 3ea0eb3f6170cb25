from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import CacheDataset, MetaTensor
from scipy import ndimage

from unetpipe.errors import InputError
from unetpipe.transforms import PasteCellsd, RandPasteCellsd

NEAR: dict[str, Any] = {"gap": (0.0, 2.0), "halo": 4.0}


def two_cells() -> dict[str, torch.Tensor]:
    """Return a frame (40, 60), background 1, with cells of 6 × 6 px (brightness 5) and 4 × 8 px (brightness 9)."""
    label = torch.zeros(1, 40, 60, dtype=torch.int32)
    label[0, 10:16, 12:18] = 1
    label[0, 24:28, 40:48] = 7
    image = torch.ones(1, 40, 60)
    image[label == 1], image[label == 7] = 5.0, 9.0
    return {"image": image, "label": label, "known": torch.ones(1, 40, 60, dtype=torch.bool)}


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), gap=st.sampled_from([0.0, 1.5, 4.0]), halo=st.sampled_from([1.0, 3.0]))
def test_copies_are_whole_cells_at_the_gap_asked_for(seed: int, gap: float, halo: float) -> None:
    before = two_cells()
    paste = RandPasteCellsd(prob=1.0, cells=(2, 2), gap=(gap, gap), halo=halo).set_random_state(seed)
    after = paste(before)
    old, new = before["label"][0].numpy(), after["label"][0].numpy()
    added = np.setdiff1d(new, old)
    assert len(added) <= 2  # none where the frame ends too near
    np.testing.assert_array_equal(new[old > 0], old[old > 0])
    for cell in added:
        assert set(np.unique(after["image"][0].numpy()[new == cell])) <= {5.0, 9.0}
        box = ndimage.find_objects((new == cell).astype(int))[0]
        assert sorted(side.stop - side.start for side in box) in ([6, 6], [4, 8])
        others = ndimage.distance_transform_edt((new == 0) | (new >= cell))
        assert gap < others[new == cell].min() <= gap + 3


def test_cells_that_were_there_keep_their_pixels_and_the_halo_fades() -> None:
    before = two_cells()
    before["image"] += torch.rand(1, 40, 60)
    old = before["label"] > 0
    paste = RandPasteCellsd(prob=1.0, cells=(1, 1), gap=(2, 2), halo=4.0).set_random_state(0)
    changes = []
    for _ in range(20):
        after = paste(before)
        assert torch.equal(after["image"][old], before["image"][old])
        pasted = (after["label"] != before["label"])[0].numpy()
        if pasted.any():
            changed = (after["image"] != before["image"])[0].numpy()
            changes += ndimage.distance_transform_edt(~pasted)[changed].tolist()
    assert 3 < max(changes) < 4


def test_unknown_pixels_under_a_copy_become_known() -> None:
    before = two_cells()
    before["known"] = before["label"] > 0
    after = RandPasteCellsd(prob=1.0, cells=(1, 1), **NEAR).set_random_state(0)(before)
    assert torch.equal(after["known"], after["label"] > 0)
    assert not torch.equal(after["known"], before["known"])


def test_item_stays_as_it_was() -> None:
    before = two_cells()
    copy = {key: value.clone() for key, value in before.items()}
    RandPasteCellsd(prob=1.0, **NEAR).set_random_state(0)(before)
    assert all(torch.equal(before[key], copy[key]) for key in copy)


@pytest.mark.parametrize("label", [torch.zeros(1, 20, 20, dtype=torch.int32), torch.ones(1, 20, 20, dtype=torch.int32)])
def test_without_a_whole_cell_nothing_changes(label: torch.Tensor) -> None:
    item = {"image": torch.rand(1, 20, 20), "label": label}
    result = RandPasteCellsd(prob=1.0, **NEAR).set_random_state(0)(item)
    assert torch.equal(result["image"], item["image"])
    assert torch.equal(result["label"], label)


def test_dtypes_and_meta_data_are_kept() -> None:
    item = two_cells()
    item["image"] = MetaTensor(item["image"].repeat(3, 1, 1), meta={"filename_or_obj": "t000.tif"})
    result = RandPasteCellsd(prob=1.0, **NEAR).set_random_state(0)(item)
    assert result["image"].meta["filename_or_obj"] == "t000.tif"
    assert result["image"].shape == (3, 40, 60)
    assert [result[key].dtype for key in ("image", "label", "known")] == [torch.float32, torch.int32, torch.bool]


def test_probability_and_seed() -> None:
    item = two_cells()
    one, other = (RandPasteCellsd(prob=0.5, cells=(1, 1), **NEAR).set_random_state(1) for _ in range(2))
    labels = [one(item)["label"] for _ in range(60)]
    assert all(torch.equal(label, other(item)["label"]) for label in labels)
    assert 15 < sum(int(label.max()) > 7 for label in labels) < 45


def test_cached_data_set_draws_anew() -> None:
    dataset = CacheDataset([two_cells()], RandPasteCellsd(prob=1.0, **NEAR), progress=False)
    assert len({dataset[0]["label"].numpy().tobytes() for _ in range(5)}) > 1


def test_halo_must_be_positive() -> None:
    with pytest.raises(InputError, match="halo must be a width in pixels above 0, got 0"):
        RandPasteCellsd(halo=0)


def test_validation_gets_the_same_copies_whenever_an_item_comes() -> None:
    """In any order, by any instance; another image gets others."""
    first, second = two_cells(), two_cells()
    second["image"] = second["image"] + 1
    paste, other = PasteCellsd(cells=(2, 4), **NEAR), PasteCellsd(cells=(2, 4), **NEAR)
    pasted = [paste(first), paste(second), paste(first), other(first)]
    assert torch.equal(first["label"], two_cells()["label"])
    for again in pasted[2:]:
        for key in ("image", "label", "known"):
            assert torch.equal(again[key], pasted[0][key])
    assert pasted[0]["label"].max() > 7  # one copy at least
    assert not torch.equal(pasted[1]["label"], pasted[0]["label"])
