"""NIfTI volumes: slices in the order of the file, masks that lie like their image in space."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from unetpipe.datasets import find_images, find_records, read_truth
from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image
from unetpipe.transforms import ReadImaged, SaveMasksd

AFFINE = np.array([[0, -0.7, 0, 10], [0.5, 0, 0, -20], [0, 0, 2.5, 5], [0, 0, 0, 1.0]])  # turned, spacing 0.5 0.7 2.5
VOLUME = np.random.default_rng(0).integers(-100, 900, (6, 9, 4)).astype(np.int16)


def write(path: Path, volume: np.ndarray = VOLUME, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slices_run_along_the_last_axis(tmp_path: Path, suffix: str):
    path = write(tmp_path / f"a{suffix}")
    assert count_pages(path) == 4
    for number in range(4):
        assert np.array_equal(read_image(path, number), VOLUME[None, :, :, number])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(6, 9, 4), (6, 9, 1), (6, 9), (6, 9, 4, 1)])
def test_round_trip_keeps_affine_units_and_shape(tmp_path: Path, suffix: str, shape: tuple[int, ...]):
    source = write(tmp_path / "in" / f"a{suffix}", VOLUME.ravel()[: np.prod(shape)].reshape(shape))
    save = SaveMasksd("pred", tmp_path / "out")
    for record in find_images(source):
        item = ReadImaged("image")(record)
        item["pred"] = MetaTensor((item["image"] + 100).to(torch.int32)).copy_meta_from(item["image"])
        save(item)
    mask = nibabel.load(tmp_path / "out" / f"a_mask{suffix}")
    assert np.allclose(mask.affine, AFFINE)
    assert mask.header.get_zooms()[:2] == pytest.approx((0.5, 0.7))
    assert mask.header.get_xyzt_units()[0] == "mm"
    assert mask.get_data_dtype() == np.uint16
    expected = nibabel.load(source).get_fdata().squeeze()
    assert np.array_equal(mask.get_fdata().squeeze(), expected + 100)
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == [f"a_mask{suffix}"]  # beside the note of masks


def test_float_labels_of_whole_numbers_are_ids(tmp_path: Path):
    write(tmp_path / "images" / "a.nii.gz")
    labels = np.zeros(VOLUME.shape, np.float64)
    labels[1:3, 1:3], labels[4:, 4:] = 1, 2
    write(tmp_path / "labels" / "a_seg.nii", labels)
    records = find_records(tmp_path)
    assert [record["page"] for record in records] == [0, 1, 2, 3]
    label, _ = read_truth(records[1])
    assert label.dtype == np.int32
    assert np.array_equal(label, labels[..., 1])


def test_labels_elsewhere_in_space(tmp_path: Path):
    write(tmp_path / "images" / "a.nii.gz")
    write(tmp_path / "masks" / "a.nii.gz", np.ones_like(VOLUME), AFFINE @ np.diag([-1, 1, 1, 1]))
    with pytest.raises(InputError, match="lies elsewhere in space"):
        find_records(tmp_path)


def test_scaled_values(tmp_path: Path):
    image = nibabel.Nifti1Image(VOLUME.astype(np.float32) / 4, AFFINE)
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    assert np.allclose(read_image(tmp_path / "a.nii.gz", 2)[0], VOLUME[..., 2] / 4, atol=0.02)


def test_nan_slice_is_named(tmp_path: Path):
    volume = VOLUME.astype(np.float32)
    volume[0, 0, 2] = np.nan
    path = write(tmp_path / "a.nii.gz", volume)
    read_image(path, 1)
    with pytest.raises(InputError, match=r"a\.nii\.gz, page 2, holds pixels that are NaN"):
        read_image(path, 2)


@pytest.mark.parametrize("shape", [(6, 9, 4, 2), (6,)])
def test_volumes_of_other_dimensions(tmp_path: Path, shape: tuple[int, ...]):
    path = write(tmp_path / "a.nii", np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=r"a\.nii has the shape"):
        count_pages(path)


def test_a_file_written_anew_is_read_anew(tmp_path: Path):
    path = write(tmp_path / "a.nii.gz")
    read_image(path, 0)
    write(path, VOLUME[:, :, ::-1].copy() + 1)
    assert np.array_equal(read_image(path, 0)[0], VOLUME[..., 3] + 1)
