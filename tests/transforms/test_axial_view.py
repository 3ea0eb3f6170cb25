"""Slices of a volume are looked at in one way, however the file stores them."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from unetpipe.errors import InputError
from unetpipe.io import read_image
from unetpipe.transforms import AxialViewd

VIEW = np.arange(6, dtype=np.int16).reshape(2, 3)  # rows from front to back, columns from the patient's right to left


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAS", "RPI", "PLS", "ARS", "ALI"])
def test_every_orientation_is_seen_alike_and_turned_back(codes: str, tmp_path: Path):
    volume = VIEW.T[..., None]  # (I, J, K) towards left, back, head: "LPS"
    turn = ornt_transform(axcodes2ornt("LPS"), axcodes2ornt(tuple(codes)))
    stored = apply_orientation(volume, turn)
    affine = np.diag([-2.0, -2, 5, 1]) @ inv_ornt_aff(turn, volume.shape)
    assert "".join(nibabel.aff2axcodes(affine)) == codes
    path = tmp_path / "ct.nii"
    nibabel.save(nibabel.Nifti1Image(stored, affine), path)
    image = MetaTensor(torch.from_numpy(read_image(path, 0)), meta={"filename_or_obj": str(path)})
    seen = AxialViewd("image")({"image": image})["image"]
    assert np.array_equal(seen[0], VIEW)
    back = AxialViewd("image", back=True)({"image": seen})["image"]
    assert np.array_equal(back[0], stored[..., 0])


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.eye(4)[[1, 2, 0, 3]], "not axial"),
        (np.array([[0.9, 0.4, 0, 0], [-0.4, 0.9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "oblique axes"),
    ],
)
def test_other_slices_are_refused(affine: np.ndarray, words: str, tmp_path: Path):
    path = tmp_path / "ct.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), affine), path)
    image = MetaTensor(torch.zeros(1, 3, 4), meta={"filename_or_obj": str(path)})
    with pytest.raises(InputError, match=words):
        AxialViewd("image")({"image": image})


def test_pictures_stay_as_they_are():
    image = MetaTensor(torch.rand(1, 2, 3), meta={"filename_or_obj": "a.png"})
    assert torch.equal(AxialViewd("image")({"image": image})["image"], image)
