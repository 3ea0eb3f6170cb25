"""Measure the areas and the volume of a mask of slices, with the spacing in its file."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from unetpipe.errors import InputError
from unetpipe.io.images import count_pages, read_labels
from unetpipe.io.nifti import check_straight, read_affine


class VolumeMeasure(NamedTuple):
    """The ``areas`` of the slices in mm², (number of slices,), and their ``volume`` in millilitres."""

    areas: np.ndarray
    volume: float


def measure_volume(path: str | os.PathLike) -> VolumeMeasure:
    """Measure the pixels of a NIfTI mask that are not 0.

    Raises
    ------
    InputError
        If the file cannot be read or does not state its spacing, or its axes are oblique: then the slices do not lie
        across the body, and their areas are not those of cross-sections.
    """
    affine = read_affine(path)
    if affine is None:
        raise InputError(f"{path} does not state its spacing (neither sform nor qform), so its volume is unknown.")
    axes = affine[:3, :3]
    check_straight(affine, path)
    pixel = float(np.linalg.norm(np.cross(axes[:, 0], axes[:, 1])))
    counts = np.array([np.count_nonzero(read_labels(path, page)) for page in range(count_pages(path))])
    return VolumeMeasure(counts * pixel, float(counts.sum() * abs(np.linalg.det(axes)) / 1000))
