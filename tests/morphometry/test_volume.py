from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from unetpipe.errors import InputError
from unetpipe.morphometry import measure_volume

MASK = np.zeros((10, 12, 3), np.uint8)
MASK[2:6, 3:8, 0], MASK[2:4, 3:8, 1] = 1, 2  # 20 and 10 voxels


def write(path: Path, affine: np.ndarray | None, unit: str = "mm") -> Path:
    image = nibabel.Nifti1Image(MASK, affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def test_areas_and_volume_by_hand(tmp_path: Path):
    turned = np.array([[0, -0.5, 0, 7], [0.8, 0, 0, 1], [0, 0, 5, 0], [0, 0, 0, 1.0]])
    for affine in (np.diag([-0.8, 0.5, 5, 1]), turned):
        found = measure_volume(write(tmp_path / "a.nii.gz", affine))
        assert found.areas == pytest.approx([20 * 0.4, 10 * 0.4, 0])
        assert found.volume == pytest.approx(30 * 0.4 * 5 / 1000)


def test_micrometres_are_understood(tmp_path: Path):
    found = measure_volume(write(tmp_path / "a.nii", np.diag([800, 500, 5000, 1]), "micron"))
    assert found.volume == pytest.approx(30 * 0.4 * 5 / 1000)


def test_oblique_axes_are_one_sentence(tmp_path: Path):
    angle = np.radians(20)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    with pytest.raises(InputError, match=r"a\.nii has oblique axes \(20° off the body's\); resample"):
        measure_volume(write(tmp_path / "a.nii", affine))


def test_no_spacing_is_one_sentence(tmp_path: Path):
    image = nibabel.Nifti1Image(MASK, None)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(InputError, match="does not state its spacing"):
        measure_volume(tmp_path / "a.nii")


@pytest.mark.parametrize(
    "axes", [np.zeros((3, 3)), np.diag([1.0, 0, 5]), np.diag([1.0, np.nan, 5]), np.diag([1.0, np.inf, 5])]
)
def test_affine_without_extent_is_one_sentence(axes: np.ndarray, tmp_path: Path):
    image = nibabel.Nifti1Image(MASK, np.eye(4))
    content = bytearray(image.to_bytes())
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):  # nibabel itself would not write such a file
        image.header[name][:3] = axes[row]
    content[: len(image.header.binaryblock)] = image.header.binaryblock
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nii has an affine that is not finite or flattens its voxels"):
        measure_volume(tmp_path / "a.nii")
