"""Mean, deviation and third moment of a whole from those of its parts; statistics that are given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetpipe.errors import InputError
from unetpipe.large.statistics import as_statistics, merged, moments, third_moment


@given(
    cuts=st.lists(st.integers(1, 99), max_size=5, unique=True),
    offset=st.sampled_from([0.0, 1e6, -3e3]),
    seed=st.integers(0, 99),
)
def test_merged_parts_are_the_whole(cuts: list[int], offset: float, seed: int) -> None:
    pixels = np.random.default_rng(seed).normal(size=(2, 100, 7)) + offset
    whole = merged(moments(part) for part in np.split(pixels, sorted(cuts), axis=1))
    assert whole.pixels == 700
    np.testing.assert_allclose(whole.mean, pixels.mean(axis=(1, 2)), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(whole.deviation, pixels.std(axis=(1, 2)), rtol=1e-9)


def test_third_moment_of_a_few_pixels() -> None:
    """(0, 0, 0, 4) has mean 1 and variance 3; its cubes -1, -1, -1 and 27 have the mean 6."""
    assert third_moment(moments(np.array([[[0, 0, 0, 4]]]), third=True)) == pytest.approx(6 / 3**1.5)
    assert third_moment(moments(np.array([[[4, 4, 4, 0]]]), third=True)) == pytest.approx(-6 / 3**1.5)


def test_third_moment_is_that_of_the_mean_over_the_channels() -> None:
    """Divided by their deviations, the channels are mirror images of each other; a third channel decides."""
    pixels = np.array([[[0, 0, 0, 4]], [[400, 400, 400, 0]]])
    assert third_moment(moments(pixels, third=True)) == pytest.approx(0, abs=1e-12)
    assert third_moment(moments(np.concatenate([pixels, [[[1, 0, 1, 1]]]]), third=True)) < 0


@given(
    cuts=st.lists(st.integers(1, 99), max_size=8, unique=True),
    channels=st.integers(1, 4),
    offset=st.sampled_from([0.0, 6e4, -3e3]),
    power=st.sampled_from([1, 2, 3]),
    seed=st.integers(0, 99),
)
def test_merged_third_moments_are_that_of_the_whole(cuts, channels, offset, power, seed) -> None:
    """Parts unlike each other, as where cells lie only in one corner, of channels that go with each other."""
    generator = np.random.default_rng(seed)
    pixels = generator.normal(size=(channels, 100, 7)) ** power * np.linspace(0.1, 3, 100)[:, None]
    pixels = np.tensordot(generator.normal(size=(channels, channels)), pixels, axes=1) + offset
    whole = merged(moments(part, third=True) for part in np.split(pixels, sorted(cuts), axis=1))
    mean, deviation = (function(pixels, axis=(1, 2), keepdims=True) for function in (np.mean, np.std))
    grey = ((pixels - mean) / deviation).mean(axis=0)
    assert third_moment(whole) == pytest.approx((grey**3).mean(), rel=1e-6, abs=1e-7)
    np.testing.assert_allclose(whole.deviation, deviation.ravel(), rtol=1e-9)


def test_only_what_asks_for_it_holds_the_third_moment() -> None:
    assert merged([moments(np.ones((3, 2, 2)))] * 2).products is None


def test_statistics_that_are_given() -> None:
    assert as_statistics((np.array([3, 4]), [1, 2]), channels=2, bright=False) == ((3.0, 4.0), (1.0, 2.0), 1)
    assert as_statistics([(3,), (1,), np.int64(-1)], channels=1, bright=True) == ((3.0,), (1.0,), -1)


@pytest.mark.parametrize(
    ("given", "bright"),
    [
        (([3], [1]), True),  # a part of an image cannot tell the sign of the whole
        (([3], [1], 1), False),
        (([3], [1], 0), True),
        (([3], [1], [1, 1]), True),
        (([3], [1], np.ones(2)), True),
        (([3], [0]), False),
        (([3], [np.nan]), False),
        (([3, 4], [1, 1]), False),
        (([3, 4], [1]), False),
        ((3, 1), False),
        (("a", "b"), False),
        (3, False),
        ({}, False),
    ],
)
def test_statistics_that_do_not_fit(given: object, bright: bool) -> None:
    needed = r"needs \(mean, deviation, sign\): .* and a sign" if bright else r"needs \(mean, deviation\): .*1 channel"
    with pytest.raises(InputError, match=needed):
        as_statistics(given, 1, bright)  # type: ignore[arg-type]
