"""Pairs that are written: what is read again, and what is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import find_records, pair_files, read_truth
from unetpipe.datasets.paired_folders import write_pair
from unetpipe.errors import InputError
from unetpipe.io import read_image

RAMP = np.arange(48, dtype=np.uint16).reshape(1, 6, 8)
CELLS = np.zeros((6, 8), np.int32)
CELLS[1:3, 1:3] = 7
CELLS[1:3, 3:5] = 70_000  # ids of a viewer may be high: in the file they are 1 and 2
NUMBERED = np.searchsorted([0, 7, 70_000], CELLS)


@pytest.mark.parametrize("name", ["a", "Zellen Größe 1", "a/b: c", "img_a", "a.tif", " ", "a.b"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_written_is_read_again(tmp_path: Path, name: str, channels: int) -> None:
    image = np.concatenate([RAMP + channel for channel in range(channels)])
    write_pair(tmp_path / "new", name, [image], [CELLS])
    (record,) = find_records(tmp_path / "new")
    np.testing.assert_array_equal(read_image(record["image"]), image)
    np.testing.assert_array_equal(read_truth(record)[0], NUMBERED)


def test_a_stack_is_a_sequence(tmp_path: Path) -> None:
    write_pair(tmp_path, "stack", [RAMP, RAMP + 1], [CELLS, CELLS[::-1]])
    first, second = find_records(tmp_path)
    assert (first["sequence"], second["frame"]) == ("stack", 1)
    np.testing.assert_array_equal(read_image(second["image"], 1), RAMP + 1)
    np.testing.assert_array_equal(read_truth(second)[0], NUMBERED[::-1])


def test_a_mask_is_replaced_and_its_image_stays(tmp_path: Path) -> None:
    image, mask = write_pair(tmp_path, "a", [RAMP], [CELLS])
    written = image.stat().st_mtime_ns
    assert write_pair(tmp_path, "a", [RAMP], [CELLS[::-1]]) == (image, mask)
    assert image.stat().st_mtime_ns == written
    np.testing.assert_array_equal(read_truth(find_records(tmp_path)[0])[0], NUMBERED[::-1])


def test_an_image_of_the_folder_is_not_written_again(tmp_path: Path) -> None:
    for folder in ("image", "labels"):
        (tmp_path / folder).mkdir()
    Image.fromarray(RAMP[0].astype(np.uint8)).save(tmp_path / "image" / "a.png")
    write_pair(tmp_path, "a", [RAMP.astype(np.uint8)], [CELLS])
    assert pair_files(tmp_path).pairs == [(tmp_path / "image" / "a.png", tmp_path / "labels" / "a.tif")]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.png", "a.tif"]


def test_what_is_refused_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", [RAMP], [CELLS])
    before = sorted(tmp_path.rglob("*"))
    for name, image, labels, sentence in (
        ("a", RAMP + 1, CELLS, "is there already and differs"),
        ("a_mask", RAMP, CELLS, "too much like"),
        ("a_seg", RAMP, CELLS, "too much like"),
        ("b", RAMP, CELLS[:5], "they must be equal"),
        ("b", np.zeros((1, 300, 300), np.uint8), np.arange(90_000).reshape(300, 300), "65535"),
    ):
        with pytest.raises(InputError, match=sentence):
            write_pair(tmp_path, name, [image], [labels])
        assert sorted(tmp_path.rglob("*")) == before
    for part, sentence in (("images", "holds something else"), ("images/a.tif", "is a file")):
        with pytest.raises(InputError, match=sentence):
            write_pair(tmp_path / part, "b", [RAMP], [CELLS])
