from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from scipy import ndimage
from scipy.spatial import cKDTree

from unetpipe.transforms import BorderWeightMap, BorderWeightMapd


def random_cells(count: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return ``count`` Voronoi cells with random ids up to 65535; some touch, others have gaps between them."""
    rng = np.random.default_rng(seed)
    if count == 0:
        return np.zeros((1, *shape), np.uint16)
    seeds = rng.uniform((0, 0), shape, (count, 2))
    pixels = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1)
    distances, nearest = cKDTree(seeds).query(pixels, k=[1, 2])  # inf for the second of a single seed
    spacing = np.sqrt(shape[0] * shape[1] / count)
    cell = (distances[..., 0] < 0.6 * spacing) & (distances[..., 1] - distances[..., 0] > rng.uniform(-1, 4))
    ids = rng.choice(np.arange(1, 65536), count, replace=False).astype(np.uint16)
    return np.where(cell, ids[nearest[..., 0]], 0).astype(np.uint16)[None]


def by_definition(
    label: np.ndarray,
    known: np.ndarray,
    w0: float,
    sigma: float,
    class_balance: float,
    border_weight_outside_cells_only: bool,
) -> np.ndarray:
    """One distance transform of the whole image for each cell; sorted; the two smallest."""
    instances, known = label[0], known[0]
    numbers = np.unique(instances[instances > 0])
    if len(numbers) == 1:  # a binary mask
        instances, count = ndimage.label(instances > 0)
        numbers = np.arange(1, count + 1)
    cell = instances > 0
    weight = np.ones(instances.shape)
    if (cell & known).any() and (~cell & known).any():
        for of_class in (cell, ~cell):
            weight[of_class] = (known.sum() / (2 * (of_class & known).sum())) ** class_balance
    if len(numbers) >= 2:
        distances = np.sort([ndimage.distance_transform_edt(instances != number) for number in numbers], axis=0)
        border = w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
        weight += np.where(cell, 0, border) if border_weight_outside_cells_only else border
    return np.where(known, weight, 0)[None]


def assert_equals_definition(label: np.ndarray, known: np.ndarray, **options) -> None:
    options = {"w0": 10.0, "sigma": 5.0, "class_balance": 0.0, "border_weight_outside_cells_only": False, **options}
    result = BorderWeightMap(**options)(label, known)
    np.testing.assert_allclose(result.numpy(), by_definition(label, known, **options), atol=1e-5, rtol=0)


@pytest.mark.parametrize("border_weight_outside_cells_only", [False, True])
@pytest.mark.parametrize("class_balance", [0.0, 1.0])
@pytest.mark.parametrize("count", [0, 1, 2, 50, 300])
def test_equals_the_definition(count: int, class_balance: float, border_weight_outside_cells_only: bool) -> None:
    label = random_cells(count, (90, 140), seed=count)
    known = np.random.default_rng(0).random(label.shape) > 0.2
    assert len(np.unique(label)) > 0.9 * count
    assert_equals_definition(
        label, known, class_balance=class_balance, border_weight_outside_cells_only=border_weight_outside_cells_only
    )


@settings(max_examples=40)
@given(
    count=st.integers(0, 12),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    w0=st.sampled_from([0.0, 1.0, 10.0, 50.0]),
    sigma=st.sampled_from([0.5, 2.0, 5.0, 12.0]),
    class_balance=st.sampled_from([0.0, 0.5, 1.0]),
    border_weight_outside_cells_only=st.booleans(),
    unknown=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 99),
)
def test_equals_the_definition_whatever_the_arguments(
    count, shape, w0, sigma, class_balance, border_weight_outside_cells_only, unknown, seed
) -> None:
    label = random_cells(count, shape, seed)
    known = np.random.default_rng(seed).random(label.shape) >= unknown
    options = {
        "w0": w0,
        "sigma": sigma,
        "class_balance": class_balance,
        "border_weight_outside_cells_only": border_weight_outside_cells_only,
    }
    assert_equals_definition(label, known, **options)


# distance to cell 1:  0  1  2  3  4
# distance to cell 2:  4  3  2  1  0   so d1 + d2 = 4 everywhere
LINE = np.array([[[1, 0, 0, 0, 2]]], np.uint16)
# distance to cell 7:  0  0  1  2  3  4
# distance to cell 9:  5  4  3  2  1  0   so d1 + d2 = 5 in the first pixel, 4 elsewhere
LONGER = np.array([[[7, 7, 0, 0, 0, 9]]], np.uint16)
AT_4 = 10 * 0.7261490370736909  # 10 · exp(−4² / (2 · 5²)) = 10 · exp(−0.32)
AT_5 = 10 * 0.6065306597126334  # 10 · exp(−5² / (2 · 5²)) = 10 · exp(−0.5)


def test_border_term_by_hand() -> None:
    np.testing.assert_allclose(BorderWeightMap()(LINE).numpy(), np.full((1, 1, 5), 1 + AT_4), rtol=1e-6)
    expected = [[[1 + AT_5, 1 + AT_4, 1 + AT_4, 1 + AT_4, 1 + AT_4, 1 + AT_4]]]
    np.testing.assert_allclose(BorderWeightMap()(LONGER).numpy(), expected, rtol=1e-6)


def test_background_only_leaves_cells_at_their_class_weight() -> None:
    result = BorderWeightMap(border_weight_outside_cells_only=True)(LINE).numpy()
    np.testing.assert_allclose(result, [[[1, 1 + AT_4, 1 + AT_4, 1 + AT_4, 1]]], rtol=1e-6)


def test_touching_cells_weigh_most_at_their_contact() -> None:
    """The last pixel of one cell is 0 from it and 1 from the other: 10 · exp(−1 / 50)."""
    result = BorderWeightMap()(np.array([[[4, 4, 6, 6]]], np.uint8)).numpy()
    at_1, at_2 = 10 * np.exp(-1 / 50), 10 * np.exp(-4 / 50)
    np.testing.assert_allclose(result, [[[1 + at_2, 1 + at_1, 1 + at_1, 1 + at_2]]], rtol=1e-6)


@pytest.mark.parametrize(
    ("class_balance", "in_cell", "outside"),
    [(0, 1, 1), (1, 5 / 4, 5 / 6), (0.5, (5 / 4) ** 0.5, (5 / 6) ** 0.5)],  # N = 5, of which 2 cell, 3 background
)
def test_class_balance_by_hand(class_balance: float, in_cell: float, outside: float) -> None:
    result = BorderWeightMap(w0=0, class_balance=class_balance)(LINE).numpy()
    np.testing.assert_allclose(result, [[[in_cell, outside, outside, outside, in_cell]]], rtol=1e-6)


def test_full_balance_gives_both_classes_half_of_the_weight() -> None:
    label = random_cells(5, (30, 40), 1)
    weight = BorderWeightMap(w0=0, class_balance=1)(label).numpy()
    assert weight[label > 0].sum() == pytest.approx(label.size / 2, rel=1e-5)
    assert weight[label == 0].sum() == pytest.approx(label.size / 2, rel=1e-5)


def test_unknown_pixels_weigh_nothing_and_do_not_count_in_the_balance() -> None:
    """Of the 4 known pixels 1 is cell and 3 are background: 4/2 and 4/6."""
    known = np.array([[[True, True, True, True, False]]])
    result = BorderWeightMap(w0=0, class_balance=1)(LINE, known).numpy()
    np.testing.assert_allclose(result, [[[2, 2 / 3, 2 / 3, 2 / 3, 0]]], rtol=1e-6)
    assert result[0, 0, 4] == 0
    assert BorderWeightMap()(LINE, known)[0, 0, 4] == 0


def test_unknown_cell_still_makes_a_border() -> None:
    known = np.array([[[True, True, True, True, False]]])
    assert BorderWeightMap()(LINE, known)[0, 0, 2] == pytest.approx(1 + AT_4)


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ([[0, 0, 0]], [[1, 1, 1]]),  # no cell
        ([[2, 2, 2]], [[1, 1, 1]]),  # no background
        ([[2, 0, 0]], [[0, 1, 1]]),  # no known cell
        ([[2, 0, 0]], [[1, 0, 0]]),  # no known background
    ],
)
def test_absent_class_leaves_the_class_weight_at_1(label: list, known: list) -> None:
    result = BorderWeightMap(class_balance=1)(np.array([label]), np.array([known], bool)).numpy()
    np.testing.assert_array_equal(result, np.array([known], np.float32))


def test_one_cell_has_no_border_term() -> None:
    assert torch.equal(BorderWeightMap()(np.array([[[0, 3, 3, 0]]])), torch.ones(1, 1, 4))


@pytest.mark.parametrize("foreground", [True, 1, 255, 65535, 1.0])
def test_binary_mask_equals_its_components(foreground: float) -> None:
    mask = random_cells(9, (40, 50), 3)[0] > 0
    components, count = ndimage.label(mask)
    assert count > 1
    binary = np.where(mask, foreground, type(foreground)(0))[None]
    assert torch.equal(BorderWeightMap()(binary), BorderWeightMap()(components[None]))


def test_pixels_of_a_mask_that_meet_at_a_corner_are_two_cells() -> None:
    """Each is sqrt(2) from the other; beside them d1 = d2 = 1."""
    in_cell, beside = 1 + 10 * np.exp(-2 / 50), 1 + 10 * np.exp(-4 / 50)
    result = BorderWeightMap()(np.array([[[True, False], [False, True]]])).numpy()
    np.testing.assert_allclose(result, [[[in_cell, beside], [beside, in_cell]]], rtol=1e-6)


def test_ids_have_no_order_and_go_up_to_65535() -> None:
    low = np.array([[[1, 1, 0, 2], [3, 0, 0, 2]]], np.uint8)
    high = np.array([0, 65535, 17, 65534], np.uint16)[low]
    assert torch.equal(BorderWeightMap()(high), BorderWeightMap()(low))


def test_cell_in_two_parts_is_one_cell() -> None:
    """Between the parts of cell 5 the nearest other cell is 6, not the other part."""
    label = np.array([[[5, 0, 5, 0, 0, 6]]])
    d1, d2 = np.array([0, 1, 0, 1, 2, 0]), np.array([5, 4, 3, 2, 1, 3])
    np.testing.assert_allclose(
        BorderWeightMap()(label)[0, 0].numpy(), 1 + 10 * np.exp(-((d1 + d2) ** 2) / 50), rtol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.float32])
def test_weights_are_float32_and_the_label_stays(dtype: type) -> None:
    label = LINE.astype(dtype)
    before = label.copy()
    result = BorderWeightMap()(label)
    assert result.dtype == torch.float32
    assert result.shape == (1, 1, 5)
    np.testing.assert_array_equal(label, before)
    assert torch.equal(BorderWeightMap()(torch.from_numpy(label)), result)


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5), (1, 3, 4, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(1, H, W\)"):
        BorderWeightMap()(np.zeros(shape, int))


@pytest.mark.parametrize("wrong", [{"w0": -1}, {"sigma": 0}, {"class_balance": -0.5}])
def test_wrong_arguments_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BorderWeightMap(**wrong)


def test_dictionary_form_takes_the_known_mask_and_keeps_the_meta_data() -> None:
    known = np.array([[[True, False, True, True, True]]])
    item = {"label": MetaTensor(torch.from_numpy(LINE), meta={"name": "cells"}), "known": torch.from_numpy(known)}
    result = BorderWeightMapd("label", w0=7, sigma=3, class_balance=1, border_weight_outside_cells_only=True)(item)
    assert set(item) == {"label", "known"}
    assert result["label"] is item["label"]
    assert isinstance(result["weight"], MetaTensor)
    assert result["weight"].meta["name"] == "cells"
    expected = by_definition(LINE, known, 7, 3, 1, True)
    np.testing.assert_allclose(result["weight"].numpy(), expected, atol=1e-5)


def test_dictionary_form_without_known_mask() -> None:
    known = np.zeros(LINE.shape, bool)
    everywhere = BorderWeightMap()(LINE)
    assert torch.equal(BorderWeightMapd("label")({"label": LINE})["weight"], everywhere)
    assert torch.equal(BorderWeightMapd("label", known_key=None)({"label": LINE, "known": known})["weight"], everywhere)
    assert not BorderWeightMapd("label", known_key="k", weight_key="w")({"label": LINE, "k": known})["w"].any()


def test_dictionary_form_names_the_weights_of_several_keys() -> None:
    result = BorderWeightMapd(["a", "b"])({"a": LINE, "b": LONGER})
    assert torch.equal(result["a_weight"], BorderWeightMap()(LINE))
    assert torch.equal(result["b_weight"], BorderWeightMap()(LONGER))
