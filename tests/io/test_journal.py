"""Which masks of a folder its journal knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from unetpipe.io.journal import NAME, Journal, left_over


@pytest.fixture
def masks(tmp_path: Path) -> list[Path]:
    """Three masks in a folder below that of their journal, and their images."""
    journal = Journal(tmp_path / "out" / NAME, "settings")
    for folder in ("out/01_RES", "images"):
        (tmp_path / folder).mkdir(parents=True)
    found = [tmp_path / "out" / "01_RES" / f"mask00{number}.tif" for number in range(3)]
    for mask in found:
        image = tmp_path / "images" / mask.name.replace("mask", "t")
        mask.touch()
        image.touch()
        journal.add(mask, image, [[0.5]])
    return found


def test_all_are_noted(masks: list[Path]) -> None:
    assert left_over(masks) is None


def test_a_mask_whose_image_is_gone_is_left_over_and_one_that_is_not_noted(masks: list[Path], tmp_path: Path) -> None:
    (tmp_path / "images" / "t001.tif").unlink()
    said = (
        f"1 of 3 masks in {masks[0].parent} was not written by the last unetpipe segment there, or its image is gone: "
    )
    assert left_over(masks) == f"{said}mask001.tif"
    more = left_over([*masks, masks[0].with_name("mask003.tif")])
    assert more is not None
    assert more.startswith("2 of 4 masks in ")
    assert more.endswith("there, or their images are gone: mask001.tif, mask003.tif")


def test_of_a_folder_that_was_moved_or_that_nobody_noted_nothing_is_said(masks: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = [tmp_path / "moved" / "01_RES" / mask.name for mask in masks]
    assert left_over(moved) is None  # the images are where they were
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    assert left_over(moved) is None
    (tmp_path / "moved" / NAME).unlink()
    assert left_over(moved) is None
    assert left_over([]) is None


def test_a_damaged_journal_says_nothing(masks: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out" / NAME).write_bytes(b"\xff\n[]\n{}\n")
    assert left_over(masks) is None
    (tmp_path / "out" / NAME).write_bytes(b'[]\n{}\n{"mask": 1}\nnull\n')
    assert left_over(masks) is None
