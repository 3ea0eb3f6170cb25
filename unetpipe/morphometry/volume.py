"""Areas and volume of a mask of slices, from the spacing that its file states."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from unetpipe.errors import InputError
from unetpipe.io.images import count_pages, read_labels
from unetpipe.io.nifti import check_straight, read_affine


class VolumeMeasure(NamedTuple):
    """``areas`` of the slices in mm², (number of slices,), and ``volume`` in millilitres."""

    areas: np.ndarray
    volume: float


def measure_volume(path: str | os.PathLike) -> VolumeMeasure:
    """Measure what is not 0 in a NIfTI mask.

    Raises
    ------
    InputError
        If it cannot be read, says nothing of its place in space, or its axes are oblique: then its slices do not lie
        across the body, and their areas are no cross-sections.
    """
    affine = read_affine(path)
    if affine is None:
        raise InputError(
            f"{path} says nothing of its spacing (neither sform nor qform); without it there is no volume."
        )
    axes = affine[:3, :3]
    check_straight(affine, path)
    pixel = float(np.linalg.norm(np.cross(axes[:, 0], axes[:, 1])))
    counts = np.array([np.count_nonzero(read_labels(path, page)) for page in range(count_pages(path))])
    return VolumeMeasure(counts * pixel, float(counts.sum() * abs(np.linalg.det(axes)) / 1000))
