from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.data import MetaTensor
from scipy import ndimage

from unetpipe.instances import InstanceSettings, InstancesFromProbabilityd, refill_ridge

probabilities = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75])
)
CROSS = ndimage.generate_binary_structure(2, 1)


def mask(picture: str) -> np.ndarray:
    """Read probabilities: # is 0.9, a dot 0.1."""
    return np.array([[0.9 if c == "#" else 0.1 for c in line] for line in picture.split()], np.float32)


def labels(picture: str) -> np.ndarray:
    return np.array([[0 if c == "." else int(c) for c in line] for line in picture.split()], np.int32)


def test_threshold_is_strict() -> None:
    probability = np.array([[0.5, 0.5 + 1e-6, 0.1, 0.9]])
    assert InstanceSettings(ridge_refill_radius=0).instances(probability).tolist() == [[0, 1, 0, 2]]
    assert InstanceSettings(threshold=0.9, ridge_refill_radius=0).instances(probability).tolist() == [[0, 0, 0, 0]]


def test_components_are_4_connected_and_numbered_from_1() -> None:
    result = InstanceSettings(ridge_refill_radius=0).instances(mask("##..# ..##. #...."))
    np.testing.assert_array_equal(result, labels("11..2 ..33. 4...."))
    assert result.dtype == np.int32


def test_holes_are_filled() -> None:
    np.testing.assert_array_equal(
        InstanceSettings(ridge_refill_radius=0).instances(mask("##### #...# #...# #####")), np.ones((4, 5), np.int32)
    )


def test_hole_that_opens_at_a_corner_is_no_hole() -> None:
    """Background is 8-connected: it leaks out between two pixels that meet at a corner."""
    leaking = mask(".##. #.#. ##.# ....")
    np.testing.assert_array_equal(InstanceSettings(ridge_refill_radius=0).instances(leaking) > 0, leaking > 0.5)


def test_bay_at_the_image_border_is_no_hole() -> None:
    bay = mask("#.# #.# ###")
    np.testing.assert_array_equal(InstanceSettings(ridge_refill_radius=0).instances(bay), bay > 0.5)


def test_small_objects_are_removed_and_the_rest_renumbered() -> None:
    picture = mask("#..## ....# ##... ##.#.")
    np.testing.assert_array_equal(
        InstanceSettings(min_size=3, ridge_refill_radius=0).instances(picture), labels("...11 ....1 22... 22...")
    )
    np.testing.assert_array_equal(
        InstanceSettings(min_size=4, ridge_refill_radius=0).instances(picture), labels("..... ..... 11... 11...")
    )
    assert not InstanceSettings(min_size=5, ridge_refill_radius=0).instances(picture).any()


def test_filled_holes_count_for_the_size() -> None:
    ring = mask("### #.# ###")
    assert (InstanceSettings(min_size=9, ridge_refill_radius=0).instances(ring) == 1).all()
    assert not InstanceSettings(min_size=10, ridge_refill_radius=0).instances(ring).any()


def test_ridge_is_given_back_between_cells_only() -> None:
    np.testing.assert_array_equal(
        InstanceSettings(ridge_refill_radius=2).instances(mask("...... ##..## ##..## ......"))[1:3],
        labels("111222 111222"),
    )
    lone = mask("#.... #....")
    np.testing.assert_array_equal(InstanceSettings(ridge_refill_radius=2).instances(lone), labels("1.... 1...."))


def test_removed_object_gets_no_ridge() -> None:
    """The speck is gone before the ridge is given back, so nothing lies between two cells."""
    np.testing.assert_array_equal(
        InstanceSettings(min_size=2, ridge_refill_radius=2).instances(mask("##.#")), labels("11..")
    )


def test_nothing_above_the_threshold_gives_an_empty_map() -> None:
    result = InstanceSettings(min_size=5).instances(np.zeros((3, 4), np.float32))
    assert result.shape == (3, 4)
    assert result.dtype == np.int32
    assert not result.any()


@settings(max_examples=100)
@given(probability=probabilities, threshold=st.sampled_from([0.0, 0.25, 0.4]), min_size=st.integers(0, 6))
def test_every_object_is_one_filled_piece_of_the_least_size(probability, threshold: float, min_size: int) -> None:
    result = InstanceSettings(threshold=threshold, min_size=min_size, ridge_refill_radius=0).instances(probability)
    assert result.dtype == np.int32
    assert np.unique(result[result > 0]).tolist() == list(range(1, result.max() + 1))
    for number in range(1, result.max() + 1):
        piece = result == number
        assert ndimage.label(piece, CROSS)[1] == 1
        assert np.count_nonzero(piece) >= min_size
        assert (result[ndimage.binary_dilation(piece, CROSS) & ~piece] == 0).all()  # objects are apart
    if min_size <= 1:  # nothing is lost, and what was added lies in holes
        above = probability > threshold
        assert (result > 0)[above].all()
        np.testing.assert_array_equal(result > 0, ndimage.binary_fill_holes(above, CROSS) & (result > 0))


@settings(max_examples=50)
@given(probability=probabilities, min_size=st.integers(0, 4), ridge=st.sampled_from([1.0, 2.0, 3.0]))
def test_ridge_is_given_back_last(probability, min_size: int, ridge: float) -> None:
    without = InstanceSettings(threshold=0.3, min_size=min_size, ridge_refill_radius=0).instances(probability)
    np.testing.assert_array_equal(
        InstanceSettings(threshold=0.3, min_size=min_size, ridge_refill_radius=ridge).instances(probability),
        refill_ridge(without, ridge),
    )


def test_transform_takes_one_minus_the_background_class() -> None:
    """With three classes a pixel is cell if it is of any class but 0."""
    background = np.array([[0.9, 0.4, 0.4, 0.9, 0.2, 0.2, 0.2]], np.float32)
    classes = np.stack([background, 0.5 * (1 - background), 0.5 * (1 - background)])
    item = {"pred": MetaTensor(torch.from_numpy(classes), meta={"mask_name": "mask000.tif"}), "label": 1}
    result = InstancesFromProbabilityd("pred", threshold=0.5, min_size=3, ridge_refill_radius=0)(item)
    assert result["pred"].dtype == torch.int32
    assert result["pred"].tolist() == [[[0, 0, 0, 0, 1, 1, 1]]]
    assert result["pred"].meta["mask_name"] == "mask000.tif"
    assert result["label"] == 1
    assert item["pred"].shape == (3, 1, 7)  # the input stays


def test_transform_passes_its_arguments_on() -> None:
    cell = torch.tensor([[[0.9, 0.6, 0.1, 0.8, 0.3]]])
    item = {"pred": torch.cat([1 - cell, cell])}
    assert InstancesFromProbabilityd("pred", ridge_refill_radius=0)(item)["pred"].tolist() == [[[1, 1, 0, 2, 0]]]
    assert InstancesFromProbabilityd("pred", threshold=0.7, ridge_refill_radius=0)(item)["pred"].tolist() == [
        [[1, 0, 0, 2, 0]]
    ]
    assert InstancesFromProbabilityd("pred", min_size=2, ridge_refill_radius=0)(item)["pred"].tolist() == [
        [[1, 1, 0, 0, 0]]
    ]
    assert InstancesFromProbabilityd("pred", ridge_refill_radius=1)(item)["pred"].count_nonzero() == 4
    assert not isinstance(InstancesFromProbabilityd("pred")(item)["pred"], MetaTensor)
