"""Axial slices of NIfTI volumes in the usual view: the patient's front above, the patient's right on the left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from nibabel.orientations import io_orientation

from unetpipe.errors import InputError
from unetpipe.io.formats import is_nifti
from unetpipe.io.nifti import check_straight, read_affine


class AxialViewd(MapTransform):
    """Turn slices (C, I, J) of a NIfTI volume to (C, H, W) in the usual view, or back to the file's axes.

    A file's slices lie in one of eight ways, and its affine says in which; a network has learned one way. Images stay
    as they are if they are not NIfTI, or do not say where they lie in space.

    Parameters
    ----------
    keys : str or sequence of str
        MetaTensors that know their file ("filename_or_obj").
    back : bool
        True turns results to the file's axes.

    Raises
    ------
    InputError
        When called, if a volume's axes are oblique or its slices are not axial.
    """

    def __init__(self, keys: KeysCollection, back: bool = False, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.back = back

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with its slices turned."""
        item = dict(data)
        for key in self.key_iterator(item):
            transposed, flips = axial_view(item[key].meta["filename_or_obj"])
            if self.back:
                item[key] = torch.flip(item[key], flips)
            if transposed:
                item[key] = item[key].transpose(-2, -1)
            if not self.back:
                item[key] = torch.flip(item[key], flips)
        return item


def axial_view(path: str | os.PathLike) -> tuple[bool, list[int]]:
    """Return whether a file's slices are to be transposed, and which axes (-2, -1) to be flipped after that."""
    affine = read_affine(path) if is_nifti(path) else None
    if affine is None:
        return False, []
    check_straight(affine, path)
    (first, first_sign), (_, second_sign), (through, _) = io_orientation(affine)
    if through != 2:
        raise InputError(f"{path} holds slices that are not axial; save it with its third axis along the body.")
    rows, columns = (second_sign, first_sign) if first == 0 else (first_sign, second_sign)
    # +x is the patient's left to right, +y back to front; the view runs the other way along both
    return bool(first == 0), [axis for axis, sign in ((-2, rows), (-1, columns)) if sign > 0]
