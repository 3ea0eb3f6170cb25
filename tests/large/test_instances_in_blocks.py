"""Instances computed block by block are those of the whole image, however it is cut."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from large_images import instances_in_blocks, same_objects
from scipy import ndimage

from unetpipe.instances import InstanceSettings

PLAIN = InstanceSettings(0.5, min_size=1, ridge_refill_radius=0.0)


def check(probability: np.ndarray, rules: InstanceSettings, side: int) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        result = instances_in_blocks(probability.astype(np.float32), rules, side, Path(folder))
    expected = rules.instances(probability.astype(np.float32))
    assert result.max(initial=0) == expected.max(initial=0)
    assert same_objects(result, expected)
    return result


def spiral(size: int) -> np.ndarray:
    """One object of a line that winds from the middle to the border, its turns two pixels apart."""
    mask = np.zeros((size, size), bool)
    y = x = size // 2
    step, direction = 2, (0, 1)
    while True:
        for _ in range(2):
            for _ in range(step):
                if not (0 <= y < size and 0 <= x < size):
                    return mask
                mask[y, x] = True
                y, x = y + direction[0], x + direction[1]
            direction = (direction[1], -direction[0])
        step += 3


def test_ring_whose_hole_spans_blocks() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    mask[12:48, 12:48] = False
    result = check(mask * 0.9, PLAIN, 16)
    assert (result > 0).sum() == 40 * 40


def test_ring_that_is_open_only_diagonally_in_another_block() -> None:
    """Background is 8-connected: a gap at a corner where four blocks meet lets it out."""
    mask = np.zeros((48, 48), bool)
    mask[4:17, 4:17] = True
    mask[6:16, 6:16] = False
    mask[16, 16] = False  # the hole's corner (15, 15) meets it, and it meets the outside (17, 17)
    result = check(mask * 0.9, PLAIN, 16)
    assert result[10, 10] == 0


def test_background_that_reaches_the_border_round_the_whole_image() -> None:
    mask = np.zeros((50, 50), bool)
    mask[5:45, 5:45] = True
    mask[8:42, 8:42] = False
    mask[25, :8] = False  # a way out, three blocks from most of the inside
    result = check(mask * 0.9, PLAIN, 16)
    assert result[30, 30] == 0


@pytest.mark.parametrize(("min_size", "kept"), [(9, 1), (10, 0)])
def test_object_of_exactly_the_smallest_size_on_a_corner(min_size: int, kept: int) -> None:
    probability = np.zeros((32, 32))
    probability[15:18, 15:18] = 0.9  # in four blocks
    result = check(probability, InstanceSettings(0.5, min_size=min_size), 16)
    assert result.max() == kept


@pytest.mark.parametrize("side", [16, 32, 48])
def test_spiral_over_four_blocks(side: int) -> None:
    result = check(spiral(64) * 0.9, PLAIN, side)
    assert result.max() == 1


def test_spiral_background() -> None:
    check(~spiral(64) * 0.9, PLAIN, 16)


def test_objects_that_meet_at_a_corner_of_blocks_stay_apart() -> None:
    probability = np.zeros((32, 32))
    probability[10:16, 10:16] = probability[16:20, 16:20] = 0.9
    assert check(probability, PLAIN, 16).max() == 2


def test_component_over_blocks_is_cut_between_its_centres() -> None:
    rows, columns = np.mgrid[:40, :60]
    peaks = [np.exp(-((rows - 20) ** 2 + (columns - x) ** 2) / 60) for x in (14, 30, 46)]
    result = check(np.max(peaks, axis=0) * 0.95, InstanceSettings(0.2, 0.8, min_size=4, ridge_refill_radius=0.0), 16)
    assert result.max() == 3


def test_ridge_is_given_back_across_blocks() -> None:
    probability = np.zeros((40, 40))
    probability[5:35, 5:15] = probability[5:35, 17:30] = 0.9  # background in columns 15 and 16, at a block's edge
    result = check(probability, InstanceSettings(0.5, min_size=1), 16)
    assert (result[10, 14:18] > 0).all()


def smooth_noise(shape: tuple[int, int], sigma: float, seed: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return ranks(noise)


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each pixel, 0 … 1, so that thresholds are shares of the pixels and no two are equal."""
    order = np.empty(values.size)
    order[np.argsort(values, axis=None)] = (np.arange(values.size) + 0.5) / values.size
    return order.reshape(values.shape).astype(np.float32)


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    side=st.sampled_from([4, 7, 16, 33, 64]),
    sigma=st.sampled_from([0.0, 0.7, 1.5, 3.0]),
    threshold=st.sampled_from([0.2, 0.4, 0.5, 0.6, 0.8]),
    marker=st.sampled_from([None, 0.7, 0.9]),
    min_size=st.sampled_from([0, 1, 3, 20]),
    ridge=st.sampled_from([0.0, 1.0, 2.0, 3.5]),
    seed=st.integers(0, 10**6),
)
def test_any_image_any_blocks(shape, side, sigma, threshold, marker, min_size, ridge, seed) -> None:
    """Noise of any grain: islands, nested rings and mazes that run through all blocks."""
    check(smooth_noise(shape, sigma, seed), InstanceSettings(threshold, marker, None, min_size, ridge), side)
