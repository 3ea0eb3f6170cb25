"""Names of files: which belong together, their order, and what is left out."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import find_images, find_records, pair_files
from unetpipe.datasets.images import left_out
from unetpipe.errors import InputError
from unetpipe.io.track_tables import Track, read_tracks


def put(path: Path, value: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((6, 8), np.uint8)
    pixels[1:4, 1:4] = value
    Image.fromarray(pixels).save(path)
    return path


def test_names_that_are_alike_match_before_words_are_taken_away(tmp_path: Path) -> None:
    for name in ("a", "img_a"):
        put(tmp_path / "images" / f"{name}.png")
        put(tmp_path / "masks" / f"{name}.png")
    assert [(image.name, mask.name) for image, mask in pair_files(tmp_path).pairs] == [
        ("a.png", "a.png"),
        ("img_a.png", "img_a.png"),
    ]


def test_accents_match_however_they_are_written(tmp_path: Path) -> None:
    put(tmp_path / "images" / (unicodedata.normalize("NFD", "größe") + ".png"))
    put(tmp_path / "masks" / (unicodedata.normalize("NFC", "größe") + ".png"))
    assert len(pair_files(tmp_path).pairs) == 1


def test_numbers_in_names_are_in_order(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        put(tmp_path / "images" / f"img_{number}.png")
        put(tmp_path / "masks" / f"img_{number}.png")
    assert [Path(record["image"]).name for record in find_records(tmp_path)] == ["img_1.png", "img_2.png", "img_10.png"]


def test_earlier_outputs_are_not_images(tmp_path: Path) -> None:
    for name in ("a.tif", "a_mask.tif", "b.tif", "b_cp_masks.png", "lone_mask.tif"):
        put(tmp_path / name)
    np.save(tmp_path / "a_seg.npy", np.zeros((6, 8)))
    assert [Path(record["image"]).name for record in find_images(tmp_path)] == ["a.tif", "b.tif", "lone_mask.tif"]


def test_suffixes_in_capitals_and_frames_of_two_digits(tmp_path: Path) -> None:
    put(tmp_path / "loud/01/t000.TIF")
    put(tmp_path / "loud/01_GT/SEG/man_seg000.TIF")
    (record,) = find_records(tmp_path / "loud")
    assert record["mask_name"] == "01_RES/mask000.tif"
    put(tmp_path / "short/01/t00.tif")
    put(tmp_path / "short/01_GT/SEG/man_seg00.tif")
    with pytest.raises(InputError, match=r"t00\.tif: the number of a frame has at least three digits"):
        find_records(tmp_path / "short")


def test_a_track_table_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "man_track.txt").write_text("1 0 2 0\n", encoding="utf-8-sig")
    assert read_tracks(tmp_path / "man_track.txt") == [Track(1, 0, 2, 0)]


def test_truth_of_volumes_is_named(tmp_path: Path) -> None:
    put(tmp_path / "01/t000.tif")
    put(tmp_path / "01_GT/SEG/man_seg_000_007.tif")
    with pytest.raises(InputError, match=r"man_seg_000_007\.tif is the truth of a slice of a volume"):
        find_records(tmp_path)


def test_what_is_left_out_is_listed(tmp_path: Path) -> None:
    for name in ("images/a.png", "images/a_mask.tif", "images/b.png", "images/c10.jpg", "images/c9.jpg", "masks/a.png"):
        put(tmp_path / name)
    (tmp_path / "images" / "old.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "images" / ".hidden").write_text("")
    (tmp_path / "masks" / "notes.txt").write_text("")
    records, images = find_records(tmp_path), find_images(tmp_path)
    said = "5 other file(s): a_mask.tif, c9.jpg, c10.jpg, old.png (a dead link), notes.txt"
    assert left_out(records, images) == said
    assert left_out(records) == said.replace("5", "6").replace("c9", "b.png, c9").replace(", notes.txt", ", …")
    assert (
        left_out(find_images(tmp_path / "images" / "a.png"), images) == said.replace("5", "4")[: said.index(", notes")]
    )
    (tmp_path / "clean").mkdir()
    put(tmp_path / "clean" / "a.png")
    assert left_out(find_images(tmp_path / "clean")) is None
