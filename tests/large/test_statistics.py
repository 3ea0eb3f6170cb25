"""Mean and deviation of a whole from those of its parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unetpipe.large.statistics import merged, moments


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
