"""The masks that the server hands out, and the labels that come back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from unetpipe.data.formats import IMAGE_SUFFIXES, image_suffix, is_nifti
from unetpipe.data.io import check_ids, count_pages, read_image, write_label_pages, write_picture
from unetpipe.data.nifti import count_slices
from unetpipe.data.pairs import read_pair_label
from unetpipe.errors import InputError
from unetpipe.files import replacing


def check_suffix(suffix: str, pages: int) -> None:
    """Raise InputError unless a mask of so many pages can be a file of this suffix: PNG, TIFF or NIfTI."""
    if suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(f"A mask cannot be a {suffix} file; ask for {', '.join(IMAGE_SUFFIXES)}.")
    if suffix.lower() == ".png" and pages > 1:
        raise InputError(f"A PNG holds one page, the mask has {pages}; ask for .tif, .nii.gz or a page.")


def write_masks(path: str | os.PathLike, pages: Sequence[np.ndarray], source: str | os.PathLike) -> None:
    """Write label maps (H, W), one for each page that was segmented, as PNG, TIFF or NIfTI by the suffix, 16 bits.

    A NIfTI mask of a picture has x as its first axis and lies where ITK, and 3D Slicer with it, puts the picture.

    Raises
    ------
    InputError
        If there are more cells than 16 bits can number.
    """
    for page in pages:
        check_ids(path, page)
    if image_suffix(path).lower() == ".png":
        write_picture(path, Image.fromarray(pages[0].astype(np.uint16)))
    elif not is_nifti(path) or (is_nifti(source) and len(pages) == count_slices(source)):
        write_label_pages(path, pages, source)
    else:
        turned = [page if is_nifti(source) else page.T for page in pages]
        volume = np.stack(turned, axis=-1).astype(np.uint16)
        with replacing(path, image_suffix(path)) as temporary:
            nibabel.save(nibabel.Nifti1Image(volume, np.diag([-1.0, -1.0, 1.0, 1.0])), temporary)


def check_label(label: str | os.PathLike, image: str | os.PathLike) -> None:
    """Read a label that was saved for an image.

    Raises
    ------
    InputError
        If it cannot be read, or is of another size than the image.
    """
    if image_suffix(label).lower() not in IMAGE_SUFFIXES:
        raise InputError(
            f"A label cannot be a {Path(label).suffix or 'nameless'} file; send {', '.join(IMAGE_SUFFIXES)}."
        )
    pages, label_pages = count_pages(image), count_pages(label)
    if pages != label_pages:
        raise InputError(f"The label has {label_pages} page(s), its image has {pages}; they must be alike.")
    for page in range(pages):
        height, width = read_image(image, page).shape[-2:]
        values = read_pair_label(label, image, page)
        if values.shape != (height, width):
            raise InputError(
                f"The label is {values.shape[0]}×{values.shape[1]} pixels (height × width), its image is "
                f"{height}×{width}; they must be alike."
            )
