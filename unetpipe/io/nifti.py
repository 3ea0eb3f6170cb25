"""NIfTI volumes slice by slice: slice k of an array (I, J, K) is the image (H, W) = array[:, :, k].

The axes are those of the file; nothing is turned to a canonical orientation. Label volumes are
written with the same axes, affine and units, so that they lie over their source in any viewer.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from unetpipe.errors import InputError
from unetpipe.files import check_fits, remember, unreadable

SUFFIXES = (".nii", ".nii.gz")
KIND = "a NIfTI volume"
# a damaged header may ask for more bytes than there are
DECODING_ERRORS = (
    ImageFileError,
    HeaderDataError,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    OverflowError,
    MemoryError,
)
LARGEST_TILT = 5.0  # degrees


def count_pages(path: Path) -> int:
    """Return the number of slices of a volume; 1 for a two-dimensional file.

    Raises
    ------
    InputError
        If it cannot be read, or has a time axis or colours.
    """
    shape = _load(path).shape
    return shape[2] if len(shape) > 2 else 1


def size(path: Path) -> tuple[int, int]:
    """Return the first two sides of a volume."""
    height, width = _load(path).shape[:2]
    return height, width


def read_page(path: Path, page: int, labels: bool) -> np.ndarray:
    """Read slice ``page`` as (H, W), in the file's dtype (float64 if the header scales the values).

    Raises
    ------
    InputError
        If it cannot be read.
    """
    image = _load(path)
    try:
        if path.suffix.lower() == ".nii":
            pixels = np.asanyarray(image.dataobj[..., page] if len(image.shape) > 2 else image.dataobj)
        else:  # a compressed volume would be decompressed again for each slice
            volume = _volume(path)
            pixels = volume[..., page] if volume.ndim > 2 else volume
    except InputError:
        raise
    except DECODING_ERRORS as error:
        raise unreadable(path, KIND, error) from error
    return pixels.reshape(image.shape[:2])


def write_label_pages(path: Path, pages: Sequence[np.ndarray], source: Path | None) -> None:
    """Write label maps (H, W) as the slices of a volume that lies like ``source`` in space."""
    if source is None:
        raise InputError("A mask is written as NIfTI only for an image that is NIfTI; its source is missing.")
    write_label_slices(path, pages, source)


def write_label_slices(
    path: str | os.PathLike, labels: Sequence[np.ndarray], source: str | os.PathLike, first: int = 0
) -> None:
    """Write label maps (H, W) as a uint16 volume with the axes, units and place of ``source``.

    The first map is of its slice ``first``, from 0.
    """
    original = _load(Path(source))
    if len(labels) < (*original.shape, 1)[2]:
        original = original.slicer[:, :, first : first + len(labels)]
    volume = np.stack(labels, axis=-1).astype(np.uint16).reshape(original.shape)
    header = original.header.copy()
    header.set_data_dtype(np.uint16)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0  # the display window of the image would black out the ids
    nibabel.save(type(original)(volume, original.affine, header), path)


def read_affine(path: str | os.PathLike) -> np.ndarray | None:
    """Return the affine (4, 4) from voxels to millimetres; None if the file does not say where it lies in space.

    Raises
    ------
    InputError
        If the volume cannot be read, or its affine makes its voxels flat.
    """
    image = _load(Path(path))
    if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
        return None
    if not np.isfinite(image.affine).all() or np.linalg.det(image.affine[:3, :3]) == 0:
        raise InputError(f"{path} has an affine that is not finite or flattens its voxels; correct its sform or qform.")
    unit = {"meter": 1000.0, "micron": 0.001}.get(image.header.get_xyzt_units()[0], 1.0)
    return np.diag([unit, unit, unit, 1.0]) @ image.affine


def check_straight(affine: np.ndarray, path: str | os.PathLike) -> None:
    """Raise InputError if a volume's axes are oblique: then its slices do not lie across the body."""
    axes = affine[:3, :3]
    cosines = np.abs(axes) / np.linalg.norm(axes, axis=0)
    tilt = float(np.degrees(np.arccos(np.clip(cosines.max(axis=0), 0, 1))).max())
    if tilt > LARGEST_TILT:
        raise InputError(
            f"{path} has oblique axes ({tilt:.0f}° off the body's); resample it to straight axes first, "
            "such as by nibabel.processing.resample_to_output."
        )


def same_space(one: str | os.PathLike, other: str | os.PathLike) -> bool:
    """Return whether two volumes have one place in space, to 0.01 voxel a step; True if one does not state it."""
    first, second = _load(Path(one)), _load(Path(other))
    if any(image.header["sform_code"] == 0 and image.header["qform_code"] == 0 for image in (first, second)):
        return True
    voxel = float(np.linalg.norm(first.affine[:3, :3], axis=0).min())
    return bool(np.allclose(first.affine, second.affine, rtol=1e-3, atol=0.01 * voxel))


def _load(path: Path) -> nibabel.Nifti1Image:
    """Open a volume (its header only) with trailing axes of length 1 allowed."""
    try:
        image = nibabel.load(path)
    except DECODING_ERRORS as error:
        raise unreadable(path, KIND, error) from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise InputError(f"{path} is not a NIfTI volume.")
    shape = image.shape
    if len(shape) < 2 or any(side != 1 for side in shape[3:]) or min(shape) < 1:
        raise InputError(f"{path} has the shape {shape}; a volume has two or three axes, and no time axis.")
    if image.get_data_dtype().fields is not None or image.get_data_dtype().kind == "c":
        raise InputError(f"{path} holds {image.get_data_dtype()} voxels; they must be plain numbers.")
    if len(shape) > 3:
        image = image.slicer[(slice(None),) * 3 + (0,) * (len(shape) - 3)]
    return image


@remember(maxsize=2)  # an image and its label
def _volume(path: Path) -> np.ndarray:
    image = _load(path)
    check_fits(path, math.prod(image.shape) * image.get_data_dtype().itemsize)
    return np.asanyarray(image.dataobj)
