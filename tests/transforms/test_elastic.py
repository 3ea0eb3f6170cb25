from __future__ import annotations

import itertools
import math

import monai.transforms as mt
import numpy as np
import pytest
import torch
from monai.data import CacheDataset, MetaTensor
from torch import Tensor

from unetpipe.transforms import RandElastic2D, RandElastic2Dd, RandElasticGrid
from unetpipe.transforms.elastic import centred_coordinates, interpolation_matrix

SIZES = [(31, 31), (32, 32), (33, 48), (48, 21), (1, 7)]
STILL = {"magnitude_range": (0, 0), "flip_prob": 0}


def image_of(*size: int, channels: int = 2) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((channels, *size), dtype=np.float32))


def label_of(*size: int, dtype: type = np.int32) -> Tensor:
    """Return ids 0 … 65535 in no order."""
    return torch.from_numpy(np.random.default_rng(1).integers(65536, size=(1, *size)).astype(dtype))


def fixed(**ranges: list[float]) -> dict:
    """Return affine ranges that hold one value per axis."""
    return {f"{name}_range": tuple((value, value) for value in values) for name, values in ranges.items()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_magnitude_0_is_the_identity(size: tuple[int, int], mode: str) -> None:
    image = image_of(*size)
    result = RandElastic2D(mode=mode, **STILL)(image)
    torch.testing.assert_close(result, image, atol=0 if mode == "nearest" else 1e-5, rtol=0)


def test_identity_at_the_size_of_a_training_tile() -> None:
    image = image_of(572, 444, channels=1)
    torch.testing.assert_close(RandElastic2D(**STILL)(image), image, atol=1e-4, rtol=0)
    label = label_of(572, 444)
    assert torch.equal(RandElastic2D(mode="nearest", **STILL)(label), label)


def test_standard_deviation_at_the_nodes_is_the_magnitude() -> None:
    """In a 5 × 5 output the 3 × 3 nodes stand on every second pixel: there the field is what was drawn."""
    grid = RandElasticGrid(magnitude_range=(10, 10), flip_prob=0).set_random_state(0)
    drawn = []
    for _ in range(3000):
        grid.randomize((5, 5))
        drawn.append((grid((5, 5)) - centred_coordinates((5, 5)))[::2, ::2].flatten())
    field = torch.stack(drawn).double()  # (draws, 18)
    assert field.std() == pytest.approx(10, rel=0.02)
    assert abs(field.mean()) < 0.2
    torch.testing.assert_close(field.std(0), torch.full((18,), 10.0, dtype=torch.float64), rtol=0.08, atol=0)
    correlation = torch.corrcoef(field.T) - torch.eye(18)
    assert correlation.abs().max() < 0.1  # nodes are independent, and so are y and x


def test_magnitude_is_drawn_from_its_range() -> None:
    """Uniform from 2 to 6: the mean square is (6³ − 2³) / (3 · 4) = 17.33."""
    grid = RandElasticGrid(magnitude_range=(2, 6)).set_random_state(0)
    squares = []
    for _ in range(3000):
        grid.randomize((5, 5))
        squares.append(float(grid.nodes.square().mean()))
    assert np.mean(squares) == pytest.approx(208 / 12, rel=0.04)
    assert np.std(squares) > 10  # a fixed magnitude gives 5.8


def test_nodes_are_3_by_3_by_default_and_else_by_their_spacing() -> None:
    for spacing, size, nodes in (
        (None, (512, 300), (3, 3)),
        (256, (512, 512), (3, 3)),
        ((222, 222), (444, 444), (3, 3)),
        ((128, 256), (512, 512), (5, 3)),
        (1000, (64, 64), (2, 2)),
    ):
        grid = RandElasticGrid(spacing=spacing)
        grid.randomize(size)
        assert grid.nodes.shape == (2, *nodes)


def upsample_nodes(nodes: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = (
        interpolation_matrix(count, side).to(nodes.dtype) for count, side in zip(nodes.shape[1:], size, strict=True)
    )
    return rows @ nodes @ columns.T


@pytest.mark.parametrize("size", [(9, 9), (8, 12), (33, 17)])
def test_upsampling_passes_through_the_nodes(size: tuple[int, int]) -> None:
    nodes = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32))
    field = upsample_nodes(nodes, size)
    assert field.shape == (2, *size)
    torch.testing.assert_close(field[:, :: size[0] - 1, :: size[1] - 1], nodes[:, ::2, ::2], atol=1e-6, rtol=0)
    if size[0] % 2 and size[1] % 2:
        torch.testing.assert_close(field[:, :: size[0] // 2, :: size[1] // 2], nodes, atol=1e-6, rtol=0)


def test_upsampling_is_torchs_bicubic() -> None:
    nodes = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32))
    expected = torch.nn.functional.interpolate(nodes[None], size=(23, 40), mode="bicubic", align_corners=True)[0]
    torch.testing.assert_close(upsample_nodes(nodes, (23, 40)), expected, atol=1e-5, rtol=0)


def test_rotation_turns_the_displacements_too() -> None:
    """By π a displacement of the nodes by (d, e) becomes (−d, −e), and a pixel at (y, x) is read at (−y, −x)."""
    turned = RandElasticGrid(flip_prob=0, **fixed(rotate=[math.pi])).set_random_state(3)
    straight = RandElasticGrid(flip_prob=0)
    turned.randomize((7, 9))
    straight.randomize((7, 9))
    straight.nodes = turned.nodes
    torch.testing.assert_close(turned((7, 9)), -straight((7, 9)), atol=1e-4, rtol=0)


def test_constant_nodes_shift_everything_alike() -> None:
    field = upsample_nodes(torch.full((2, 3, 3), 4.25), (20, 31))
    torch.testing.assert_close(field, torch.full((2, 20, 31), 4.25), atol=1e-5, rtol=0)


def test_image_and_label_move_alike_under_one_mode() -> None:
    label = label_of(40, 61)
    transform = RandElastic2Dd(
        ["image", "label"], rotate_range=math.pi, scale_range=0.3, shear_range=0.2, mode="nearest"
    ).set_random_state(0)
    for _ in range(5):
        result = transform({"image": label.float(), "label": label})
        assert torch.equal(result["image"], result["label"].float())
        assert not torch.equal(result["label"], label)


@pytest.mark.parametrize("padding_mode", ["reflection", "border"])
def test_image_and_label_move_alike_under_their_own_modes(padding_mode: str) -> None:
    """A ramp of the row (column) number: what bilinear reads is at most half a pixel from what nearest reads."""
    ramps = torch.stack(torch.meshgrid(torch.arange(40), torch.arange(61), indexing="ij"))
    transform = RandElastic2Dd(
        ["image", "label"],
        magnitude_range=(3, 3),
        rotate_range=math.pi,
        spatial_size=(30, 50),
        mode=["bilinear", "nearest"],
        padding_mode=padding_mode,
    ).set_random_state(0)
    for _ in range(5):
        result = transform({"image": ramps.float(), "label": ramps})
        assert result["label"].shape == (2, 30, 50)
        assert (result["image"] - result["label"]).abs().max() <= 0.5 + 1e-3


def test_seed_repeats_the_draws_and_draws_differ() -> None:
    image = image_of(30, 41)
    first, again, otherwise = (
        RandElastic2D(rotate_range=0.5, scale_range=0.2, translate_range=3).set_random_state(seed) for seed in (7, 7, 8)
    )
    draws = [first(image) for _ in range(3)]
    for draw in draws:
        assert torch.equal(again(image), draw)
    for one, other in itertools.combinations([*draws, otherwise(image)], 2):
        assert not torch.allclose(one, other, atol=1e-3)


def test_compose_seeds_it() -> None:
    def draw(seed: int) -> Tensor:
        pipeline = mt.Compose([RandElastic2Dd("image", rotate_range=1.0, prob=0.9)])
        return pipeline.set_random_state(seed)({"image": image_of(20, 20)})["image"]

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


def test_cached_data_set_draws_anew() -> None:
    """MONAI caches what comes before the first random transform; this one must count as random."""
    dataset = CacheDataset([{"image": image_of(20, 20)}], RandElastic2Dd("image"), progress=False)
    assert not torch.equal(dataset[0]["image"], dataset[0]["image"])


@pytest.mark.parametrize(("size", "cut"), [((20, 31), (8, 11)), ((21, 30), (21, 30)), ((20, 31), (20, 1))])
def test_prob_0_cuts_out_the_centre(size: tuple[int, int], cut: tuple[int, int]) -> None:
    image, label = image_of(*size), label_of(*size)
    top, left = (size[0] - cut[0]) // 2, (size[1] - cut[1]) // 2
    transform = RandElastic2Dd(
        ["image", "label"], spatial_size=cut, prob=0, mode=["bilinear", "nearest"], rotate_range=1
    )
    result = transform({"image": image, "label": label})
    window = (slice(None), slice(top, top + cut[0]), slice(left, left + cut[1]))
    torch.testing.assert_close(result["image"], image[window], atol=1e-5, rtol=0)
    assert torch.equal(result["label"], label[window])


def test_prob_is_the_share_that_is_deformed() -> None:
    image = image_of(6, 6)
    transform = RandElastic2D(prob=0.3).set_random_state(0)
    still = sum(torch.allclose(transform(image), image, atol=1e-5) for _ in range(1000))
    assert still == pytest.approx(700, abs=60)


@pytest.mark.parametrize("size", SIZES)
def test_flips_are_exact(size: tuple[int, int]) -> None:
    label = label_of(*size)
    result = RandElastic2D(magnitude_range=(0, 0), flip_prob=1, mode="nearest")(label)
    assert torch.equal(result, label.flip(1, 2))


def test_all_four_flips_are_drawn_alike() -> None:
    label = label_of(7, 9)
    transform = RandElastic2D(magnitude_range=(0, 0), mode="nearest").set_random_state(0)
    flipped = [label, label.flip(1), label.flip(2), label.flip(1, 2)]
    seen = []
    for _ in range(800):
        result = transform(label)
        seen.append(next(number for number, one in enumerate(flipped) if torch.equal(one, result)))
    assert np.bincount(seen, minlength=4) == pytest.approx(200, abs=60)


def test_rotation_by_a_right_angle_is_exact() -> None:
    label = label_of(31, 45)
    result = RandElastic2D(mode="nearest", spatial_size=(45, 31), **fixed(rotate=[math.pi / 2]), **STILL)(label)
    np.testing.assert_array_equal(result[0].numpy(), np.rot90(label[0].numpy(), -1))


def test_rotation_is_drawn_from_its_range() -> None:
    grid = RandElasticGrid(rotate_range=0.4, **STILL).set_random_state(0)
    angles = []
    for _ in range(500):
        grid.randomize((3, 3))
        y, x = (grid((3, 3))[1, 2]).tolist()  # one pixel right of the centre
        angles.append(math.atan2(y, x))
    assert max(map(abs, angles)) <= 0.4 + 1e-6
    assert np.std(angles) == pytest.approx(0.4 / math.sqrt(3), rel=0.1)


def test_affine_arguments_mean_what_monais_mean() -> None:
    image = image_of(31, 45)
    ours = RandElastic2D(
        padding_mode="zeros",
        **fixed(rotate=[0.3], shear=[0.1, 0.2], translate=[3, -2], scale=[0.1, -0.1]),
        **STILL,
    )(image)
    theirs = mt.Affine(
        rotate_params=0.3,
        shear_params=(0.1, 0.2),
        translate_params=(3, -2),
        scale_params=(1.1, 0.9),
        padding_mode="zeros",
        mode="bilinear",
        image_only=True,
    )(image)
    torch.testing.assert_close(ours, theirs.as_tensor(), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("padding_mode", "numpy_mode"), [("reflection", "reflect"), ("border", "edge"), ("zeros", "constant")]
)
def test_outside_is_padded_as_numpy_pads(padding_mode: str, numpy_mode: str) -> None:
    label = label_of(9, 11)
    result = RandElastic2D(mode="nearest", padding_mode=padding_mode, **fixed(translate=[-4, 3]), **STILL)(label)
    padded = np.pad(label.numpy(), [(0, 0), (4, 4), (4, 4)], mode=numpy_mode)
    np.testing.assert_array_equal(result.numpy(), padded[:, 0:9, 7:18])


def test_output_larger_than_the_input_is_mirrored() -> None:
    label = label_of(9, 12)
    result = RandElastic2D(spatial_size=(15, 20), mode="nearest", **STILL)(label)
    np.testing.assert_array_equal(result.numpy(), np.pad(label.numpy(), [(0, 0), (3, 3), (4, 4)], mode="reflect"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.bool_])
def test_nearest_keeps_dtype_and_ids(dtype: type) -> None:
    label = torch.from_numpy(label_of(20, 31).numpy().astype(dtype))
    result = RandElastic2D(mode="nearest")(label)
    assert result.dtype == label.dtype
    assert set(result.unique().tolist()) <= set(label.unique().tolist())
    assert torch.equal(RandElastic2D(mode="nearest", **STILL)(label), label)


def test_id_65535_survives_nearest() -> None:
    label = torch.full((1, 12, 13), 65535, dtype=torch.int32)
    label[:, :, 6:] = 65534
    assert RandElastic2D(mode="nearest").set_random_state(0)(label).unique().tolist() == [65534, 65535]


def test_bilinear_rounds_integers() -> None:
    label = torch.tensor([[[0, 10, 20, 30, 40]]], dtype=torch.uint8)
    shift = fixed(translate=[0, 0.26])
    assert RandElastic2D(padding_mode="border", **shift, **STILL)(label).tolist() == [[[3, 13, 23, 33, 40]]]


def test_numpy_arrays_and_metatensors_are_taken() -> None:
    image = image_of(10, 12)
    keys = ["a", "b"]
    result = RandElastic2Dd(keys, **STILL)({"a": image.numpy(), "b": MetaTensor(image, meta={"name": "cells"})})
    assert isinstance(result["b"], MetaTensor)
    assert result["b"].meta["name"] == "cells"
    torch.testing.assert_close(result["a"], result["b"].as_tensor())


def test_input_and_other_keys_stay() -> None:
    image = image_of(10, 12)
    before = image.clone()
    result = RandElastic2Dd("image")({"image": image, "name": "cells"})
    assert torch.equal(image, before)
    assert result["name"] == "cells"


def test_missing_keys() -> None:
    item = {"image": image_of(10, 12)}
    with pytest.raises(KeyError, match="weight"):
        RandElastic2Dd(["image", "weight"])(item)
    keys, mode = ["weight", "image"], ["bilinear", "nearest"]
    result = RandElastic2Dd(keys, mode=mode, allow_missing_keys=True, **STILL)(item)
    assert torch.equal(result["image"], item["image"])  # its own mode, nearest
    assert RandElastic2Dd("weight", allow_missing_keys=True)({"name": 1}) == {"name": 1}


def test_keys_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="the same height and width"):
        RandElastic2Dd(["a", "b"])({"a": image_of(10, 12), "b": image_of(12, 10)})


def test_arguments_of_a_config_fit_monais_transform_too() -> None:
    arguments = {
        "keys": ["image", "label"],
        "spacing": [16, 16],
        "magnitude_range": [3, 3],
        "spatial_size": [32, 30],
        "prob": 1.0,
        "rotate_range": 3.14159,
        "scale_range": 0.2,
        "mode": ["bilinear", "nearest"],
        "padding_mode": "reflection",
    }
    item = {"image": image_of(48, 40, channels=1), "label": label_of(48, 40)}
    for transform in (RandElastic2Dd(**arguments), mt.Rand2DElasticd(**arguments)):
        result = transform(dict(item))
        assert result["image"].shape == result["label"].shape == (1, 32, 30)
        assert set(result["label"].unique().tolist()) <= set(item["label"].unique().tolist())
