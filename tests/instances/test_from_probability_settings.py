"""``InstanceSettings``: what it refuses, and what its values mean together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unetpipe.errors import InputError
from unetpipe.instances import InstanceSettings


@pytest.mark.parametrize("name", ["threshold", "marker_threshold", "merge_threshold"])
@pytest.mark.parametrize("value", [-0.1, 1.2, True, "0.5", float("nan")])
def test_thresholds_are_probabilities(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name}={value!r} is not a probability; it must be a number from 0 to 1"):
        InstanceSettings(**{name: value})


def test_each_of_several_marker_thresholds_is_a_probability() -> None:
    with pytest.raises(InputError, match=r"marker_threshold=1\.5 is not a probability"):
        InstanceSettings(marker_threshold=[0.6, 1.5])


def test_an_empty_list_of_marker_thresholds_is_refused() -> None:
    with pytest.raises(InputError, match=r"marker_threshold=\[\] holds no number"):
        InstanceSettings(marker_threshold=[])


def test_several_marker_thresholds_do_not_go_with_a_merge_threshold() -> None:
    with pytest.raises(InputError, match=r"With merge_threshold=0\.5, marker_threshold must be one number"):
        InstanceSettings(marker_threshold=[0.6, 0.8], merge_threshold=0.5)


def test_only_the_threshold_must_be_given() -> None:
    with pytest.raises(InputError, match="threshold=None"):
        InstanceSettings(threshold=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("marker", "merge", "cuts", "floods"),
    [
        (None, None, False, False),
        (0.5, None, False, False),
        (0.6, None, True, False),
        (0.6, 0.5, True, True),
        (None, 0.5, False, False),
        ([0.4, 0.5], None, False, False),
        ([0.4, 0.6], None, True, False),
    ],
)
def test_cuts_and_floods(marker: float | list[float] | None, merge: float | None, cuts: bool, floods: bool) -> None:
    settings = InstanceSettings(0.5, marker, merge)
    assert (settings.cuts, settings.floods) == (cuts, floods)


def test_a_cell_cut_by_itself_is_cut_as_in_the_image() -> None:
    """Blocks cut one component after the other; other cells and their centres must not matter."""
    probability = np.array([[0.9, 0.6, 0.9, 0.1, 0.9, 0.6, 0.7, 0.9]])
    cells = np.array([[1, 1, 1, 0, 2, 2, 2, 2]])
    settings = InstanceSettings(0.5, 0.8)
    both = settings.cut(probability, cells)
    assert len(np.unique(both)) == 5
    for number in (1, 2):
        inside = cells == number
        alone = settings.cut(probability, inside.astype(int))
        assert np.array_equal(alone > 0, inside)
        assert np.array_equal(np.unique(alone[inside], return_inverse=True)[1].ravel() > 0, both[inside] != number)
