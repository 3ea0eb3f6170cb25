"""Masks that are handed out, and come back as labels."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets.paired_folders import read_pair_label
from unetpipe.errors import InputError
from unetpipe.io import read_labels, write_label_pages
from unetpipe.io.nifti import read_affine
from unetpipe.label.masks import SUFFIXES, check_label, check_suffix, write_masks

FLAT = np.array([[0, 1, 1, 0, 3], [2, 0, 0, 0, 3]])
AFFINE = np.array([[0, 2.0, 0, 5], [3.0, 0, 0, -7], [0, 0, 4.0, 11], [0, 0, 0, 1]])


def write_image(path: Path, pages: list[np.ndarray]) -> None:
    grey = [(page * 10).astype(np.uint8) for page in pages]
    if ".nii" in path.name:
        nibabel.save(nibabel.Nifti1Image(np.stack(grey, axis=-1), AFFINE), path)
    elif path.suffix == ".png":
        Image.fromarray(grey[0]).save(path)
    else:
        write_label_pages(path, grey)


@pytest.mark.parametrize("label_suffix", SUFFIXES)
@pytest.mark.parametrize("image_suffix", SUFFIXES)
def test_a_mask_that_comes_back_is_the_same(image_suffix: str, label_suffix: str, tmp_path: Path):
    image, label = tmp_path / f"image{image_suffix}", tmp_path / f"label{label_suffix}"
    pages = [FLAT] if ".png" in (image_suffix, label_suffix) else [FLAT, FLAT[::-1], FLAT * 2]
    write_image(image, pages)
    write_masks(label, pages, image)
    check_label(label, image)
    for number, page in enumerate(pages):
        np.testing.assert_array_equal(read_pair_label(label, image, number), page)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_of_a_volume_has_x_as_its_first_axis(suffix: str, tmp_path: Path):
    write_image(tmp_path / "image.nii", [FLAT])
    write_masks(tmp_path / f"mask{suffix}", [FLAT], tmp_path / "image.nii")
    np.testing.assert_array_equal(read_labels(tmp_path / f"mask{suffix}"), FLAT.T)


def test_the_mask_of_a_slice_lies_where_the_slice_does(tmp_path: Path):
    write_image(tmp_path / "image.nii.gz", [FLAT, FLAT, FLAT])
    write_masks(tmp_path / "mask.nii.gz", [FLAT], tmp_path / "image.nii.gz", first=2)
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.nii.gz"), FLAT)
    expected = AFFINE.copy()
    expected[2, 3] = 11 + 2 * 4
    np.testing.assert_array_equal(read_affine(tmp_path / "mask.nii.gz"), expected)


def test_arrays_are_neither_masks_nor_labels(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot be a \.npy file; ask for \.tif, \.tiff, \.png, \.nii, \.nii\.gz\."):
        check_suffix(".npy", 1)
    np.save(tmp_path / "label.npy", FLAT)
    write_image(tmp_path / "image.png", [FLAT])
    with pytest.raises(InputError, match=r"cannot be a \.npy file"):
        check_label(tmp_path / "label.npy", tmp_path / "image.png")
