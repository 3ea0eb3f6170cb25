"""An image and the label that an annotation tool saved for it: two files, and no layout that would explain them."""

from __future__ import annotations

import os

import numpy as np

from unetpipe.datasets.masks import components, decide_masks
from unetpipe.io.formats import is_nifti
from unetpipe.io.images import read_labels


def read_pair_label(label: str | os.PathLike, image: str | os.PathLike, page: int | None = None) -> np.ndarray:
    """Read a label as the instance map (H, W), int32, of its image.

    A NIfTI file that belongs to a picture, as 3D Slicer saves it, holds (x, y) or (x, y, 1): it is turned. Where both
    are NIfTI, or both pictures, their axes are alike. Values are cells or, if one label says so
    (:func:`unetpipe.datasets.decide_masks`), 0/255 or classes with a cell in each connected component.

    Parameters
    ----------
    label, image : path
        The two files; of the image only the name counts.
    page : int, optional
        Page of a stack, from 0; the label has as many.

    Raises
    ------
    InputError
        If the label cannot be read.
    """
    values = read_labels(label, page)
    if is_nifti(label) != is_nifti(image):
        values = np.ascontiguousarray(values.T)
    return values if decide_masks([values]) == "instances" else components(values)
