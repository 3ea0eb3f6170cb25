"""Labels that annotation tools save."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import read_pair_label, smallest_cell
from unetpipe.transforms.reading import ReadImaged, ReadTruthd

LABEL = np.zeros((20, 31), np.int32)
LABEL[2:8, 3:9], LABEL[2:8, 9:20], LABEL[12:18, 20:30] = 1, 2, 300


def volume(path: Path, array: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    return path


def test_volume_of_a_picture_is_turned(tmp_path: Path):
    for name, array in (("flat.nii", LABEL.T), ("slicer.nii.gz", LABEL.T[..., None])):
        label = volume(tmp_path / name, array.astype(np.int16))
        np.testing.assert_array_equal(read_pair_label(label, tmp_path / "a.png"), LABEL)


def test_volume_of_a_volume_is_not_turned(tmp_path: Path):
    label = volume(tmp_path / "label.nii.gz", np.stack([LABEL * 0, LABEL], -1).astype(np.int16))
    np.testing.assert_array_equal(read_pair_label(label, "volume.nii.gz", page=1), LABEL)


@pytest.mark.parametrize("value", [1, 255])
def test_one_value_is_a_class(tmp_path: Path, value: int):
    Image.fromarray(np.where(LABEL > 0, value, 0).astype(np.uint8)).save(tmp_path / "a.png")
    cells = read_pair_label(tmp_path / "a.png", "b.tif")
    assert cells.max() == 2  # the two that touch are one component
    np.testing.assert_array_equal(cells > 0, LABEL > 0)


def test_training_reads_a_bare_pair(tmp_path: Path):
    Image.fromarray(LABEL.astype(np.uint8)).save(tmp_path / "image.png")
    label = volume(tmp_path / "label.nii.gz", LABEL.T[..., None].astype(np.int16))
    item = ReadTruthd()(ReadImaged("image")({"image": str(tmp_path / "image.png"), "label": str(label)}))
    np.testing.assert_array_equal(item["label"][0], LABEL)
    assert item["known"].all()


def test_the_least_size_of_a_cell_comes_from_bare_pairs_too(tmp_path: Path):
    label = volume(tmp_path / "slicer.nii.gz", LABEL.T[..., None].astype(np.int16))
    pair = {"image": str(tmp_path / "a.png"), "label": str(label)}
    assert smallest_cell([pair], share=1) == 60  # of 36, 60 and 66
