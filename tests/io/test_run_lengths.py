from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetpipe.errors import InputError
from unetpipe.io.run_lengths import decode_runs, encode_instances, encode_runs

LABELS = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 4))


def test_pixels_are_numbered_down_the_columns_from_1():
    label = np.array([[0, 2, 2], [1, 2, 0], [1, 0, 3]])
    assert encode_instances(label) == ["2 2", "4 2 7 1", "9 1"]
    assert encode_runs(label == 2) == "4 2 7 1"
    assert encode_instances(np.zeros((2, 2), int)) == []


@given(labels=LABELS)
def test_round_trip(labels: np.ndarray):
    found = np.zeros(labels.shape, int)
    ids = np.unique(labels[labels > 0])
    runs = encode_instances(labels)
    assert runs == [encode_runs(labels == number) for number in ids]
    for number, line in zip(ids, runs, strict=True):
        found[decode_runs(line, labels.shape)] = number
    assert np.array_equal(found, labels)


@pytest.mark.parametrize("runs", ["1", "0 2", "3 2", "1 2 2 1", "1 0"])
def test_runs_that_do_not_fit(runs: str):
    with pytest.raises(InputError):
        decode_runs(runs, (1, 3))
