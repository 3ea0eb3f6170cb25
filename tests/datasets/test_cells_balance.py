from __future__ import annotations

import pytest

from unetpipe.datasets import balanced_weights


def test_every_sequence_is_drawn_equally_often():
    """Three of one kind share the half that one of the other has alone."""
    records = [{"sequence": name} for name in ("256x256", "1024x1024", "256x256", "256x256")]
    assert balanced_weights(records) == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])


def test_one_sequence_is_drawn_evenly():
    assert balanced_weights([{"sequence": "01"}] * 4) == [0.25] * 4


def test_images_of_an_annotation_tool_are_drawn_equally_often() -> None:
    records = [{"image": "a.png"}, {"image": "b.tif", "page": 0}, {"image": "b.tif", "page": 1}]
    assert balanced_weights(records) == [0.5, 0.25, 0.25]
