"""NumPy stacks: by hand, broken, and the real CT slices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unetpipe.datasets import find_images, find_records, read_truth, recognise
from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image

IMAGES = np.random.default_rng(0).random((3, 5, 7, 1), np.float32)
MASKS = np.zeros((3, 5, 7, 1), np.float32)
MASKS[1, 1:3, 1:3], MASKS[1, 4, 4:6], MASKS[1, 4, 6] = 1, 0.75, 0.5


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "masks.npy", MASKS)
    return tmp_path


def test_masks_are_shares_above_a_half(stack: Path):
    assert recognise(stack) == "arrays"
    records = find_records(stack)
    assert [record["frame"] for record in records] == [0, 1, 2]
    assert np.array_equal(read_image(records[1]["image"], 1)[0], IMAGES[1, ..., 0])
    label, known = read_truth(records[1])
    assert known.all()
    assert np.unique(label).tolist() == [0, 1, 2]
    assert np.count_nonzero(label) == 6


def test_masks_are_no_images_to_segment(stack: Path):
    records = find_images(stack)
    assert {Path(record["image"]).name for record in records} == {"images.npy"}
    assert [record["page"] for record in records] == [0, 1, 2]


def save(path: Path, array: np.ndarray) -> None:
    np.save(path, array, allow_pickle=True)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (MASKS[:2], r"masks\.npy is \(2, 5, 7\) \(images, height, width\), .* is \(3, 5, 7\)"),
        (MASKS[0, :, :, 0], r"masks\.npy is float32 \(5, 7\); it must hold numbers"),
        (np.array([{}]), r"masks\.npy cannot be read as a NumPy array"),
        (MASKS * 2, r"masks\.npy, page 1, is not a mask"),
        (MASKS * np.nan, r"masks\.npy, page 1, is not a mask"),
    ],
)
def test_bad_masks_are_one_sentence(array: np.ndarray, words: str, stack: Path):
    save(stack / "masks.npy", array)
    with pytest.raises(InputError, match=words):
        read_truth(find_records(stack)[1])


def headed(header: str) -> bytes:
    """Return a NumPy file of the given header and no pixels."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def zipped(path: Path) -> bytes:
    np.savez(path.with_suffix(".npz"), IMAGES)
    return path.with_suffix(".npz").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        zipped,
        lambda _: headed("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5"),
        lambda _: headed("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 5, 7)}"),
        lambda _: headed("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 5, 7)}"),
        lambda _: headed("{'descr': '<f4', 'fortran_order': False, 'shape': (3, -5, 7)}"),
        lambda _: headed("{'descr': '<f4', 'fortran_order': False, 'shape': [3, 5, 7]}"),
        lambda _: headed("{'descr': '<f4', 'fortran_order': 'shape': (3, 5, 7)}"),
    ],
    ids=["npz", "open bracket", "no such number", "overflow", "negative", "list", "no literal"],
)
def test_damaged_file_is_one_sentence(damage: Callable[[Path], bytes], stack: Path):
    path = stack / "images.npy"
    path.write_bytes(damage(path))
    with pytest.raises(InputError, match=r"images\.npy cannot be read as a NumPy array .*; is it complete\?$"):
        count_pages(path)


def test_stack_without_its_partner(stack: Path):
    (stack / "masks.npy").unlink()
    with pytest.raises(InputError, match=r"There is no .*masks\.npy next to images\.npy"):
        find_records(stack)


def test_real_lungs(real_data: Path):
    records = find_records(real_data / "lungs_ct_64")
    assert len(records) == 213
    label, _ = read_truth(records[0])
    assert label.shape == (64, 64)
    assert 0.2 < np.mean(label > 0) < 0.5
