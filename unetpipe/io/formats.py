"""Which files are images, and the part of their name that names the image."""

from __future__ import annotations

import os
from pathlib import Path

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ARRAY_SUFFIX = ".npy"
IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ARRAY_SUFFIX, *NIFTI_SUFFIXES)


def image_suffix(path: str | os.PathLike) -> str:
    """Return the suffix of an image file as it is written (".nii.gz" is one), or "" if it is no image file."""
    name = Path(path).name
    for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[len(name) - len(suffix) :]
    return ""


def image_stem(path: str | os.PathLike) -> str:
    """Return the name without its suffix: brain.nii.gz → brain."""
    name = Path(path).name
    return name[: len(name) - len(image_suffix(name))] if image_suffix(name) else Path(name).stem


def is_nifti(path: str | os.PathLike) -> bool:
    """Return whether the name is that of a NIfTI volume."""
    return image_suffix(path).lower() in NIFTI_SUFFIXES


def is_array(path: str | os.PathLike) -> bool:
    """Return whether the name is that of a NumPy stack."""
    return image_suffix(path).lower() == ARRAY_SUFFIX


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder by name; hidden files are none."""
    return sorted(
        path for path in folder.iterdir() if image_suffix(path) and not path.name.startswith(".") and path.is_file()
    )
