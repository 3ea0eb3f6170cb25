"""Masks find their records by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from unetpipe.datasets import Record
from unetpipe.datasets.images import MaskMatcher

CTC: list[Record] = [
    {"image": f"set/{sequence}/t003.tif", "mask_name": f"{sequence}_RES/mask003.tif"} for sequence in ("01", "02")
]
STACK: list[Record] = [
    {"image": "set/images/s.nii.gz", "mask_name": f"s/mask00{page}.tif", "page": page} for page in (0, 1)
]
NUCLEUS = {"image": "set/id1/images/id1.png", "mask_name": "id1_mask.tif"}
MATCHER = MaskMatcher([*CTC, *STACK, NUCLEUS])


@pytest.mark.parametrize(
    ("mask", "page", "record"),
    [
        ("out/02_RES/mask003.tif", 0, CTC[1]),
        ("out/mask003.tif", 0, None),  # of which sequence?
        ("out/t003_mask.tif", 0, None),
        ("out/s_mask.tif", 1, STACK[1]),
        ("out/s_mask.tif", 2, None),
        ("out/s/mask001.tif", 0, STACK[1]),
        ("out/id1_mask.png", 0, NUCLEUS),
        ("out/id1.tif", 0, NUCLEUS),
        ("out/id2_mask.tif", 0, None),
    ],
)
def test_a_mask_finds_its_record(mask: str, page: int, record: Record | None):
    assert MATCHER.find(Path(mask), page) is record
