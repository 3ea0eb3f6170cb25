"""Write the masks that the server sends, and check the labels that it receives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from unetpipe.datasets.paired_folders import read_pair_label
from unetpipe.errors import InputError
from unetpipe.files import replacing
from unetpipe.io.formats import LABEL_SUFFIXES as SUFFIXES
from unetpipe.io.formats import image_suffix, is_nifti
from unetpipe.io.images import check_ids, count_pages, read_image, write_label_pages, write_picture
from unetpipe.io.nifti import write_label_slices


def check_suffix(suffix: str, pages: int) -> None:
    """Raise InputError unless a mask of so many pages can be a file of this suffix: PNG, TIFF or NIfTI."""
    if suffix.lower() not in SUFFIXES:
        raise InputError(f"A mask cannot be a {suffix} file; ask for {', '.join(SUFFIXES)}.")
    if suffix.lower() == ".png" and pages > 1:
        raise InputError(f"A PNG holds one page, the mask has {pages}; ask for .tif, .nii.gz or a page.")


def write_masks(
    path: str | os.PathLike, pages: Sequence[np.ndarray], source: str | os.PathLike, first: int = 0
) -> None:
    """Write label maps (H, W), one for each page that was segmented, as PNG, TIFF or NIfTI by the suffix, 16 bits.

    If only one of mask and image is NIfTI, the mask is transposed, as received labels are (``read_pair_label``): the
    NIfTI mask of a picture has x as its first axis. Its position is the one that ITK, and so 3D Slicer, gives to a
    picture whose file states no resolution: one unit per pixel. The NIfTI mask of a slice lies where the slice does.

    Parameters
    ----------
    path : path
        The mask.
    pages : sequence of ndarray
        (H, W), integers 0 … 65535.
    source : path
        The image.
    first : int
        Which of the image's pages the first one is.

    Raises
    ------
    InputError
        If there are more cells than 16 bits can number.
    """
    for page in pages:
        check_ids(path, page)
    if is_nifti(path) != is_nifti(source):
        pages = [page.T for page in pages]
    if image_suffix(path).lower() == ".png":
        write_picture(path, Image.fromarray(pages[0].astype(np.uint16)))
    elif not is_nifti(path):
        write_label_pages(path, pages)
    else:
        with replacing(path, image_suffix(path)) as temporary:
            if is_nifti(source):
                write_label_slices(temporary, pages, source, first)
            else:
                volume = np.stack(pages, axis=-1).astype(np.uint16)
                nibabel.save(nibabel.Nifti1Image(volume, np.diag([-1.0, -1.0, 1.0, 1.0])), temporary)


def check_label(label: str | os.PathLike, image: str | os.PathLike) -> None:
    """Raise InputError unless a label can be read and has the size and the pages of its image."""
    if image_suffix(label).lower() not in SUFFIXES:
        raise InputError(f"A label cannot be a {Path(label).suffix or 'nameless'} file; send {', '.join(SUFFIXES)}.")
    pages, label_pages = count_pages(image), count_pages(label)
    if pages != label_pages:
        raise InputError(f"The label has {label_pages} page(s), its image has {pages}; they must be equal.")
    for page in range(pages):
        height, width = read_image(image, page).shape[-2:]
        values = read_pair_label(label, image, page)
        if values.shape != (height, width):
            raise InputError(
                f"The label is {values.shape[0]}×{values.shape[1]} pixels (height × width), its image is "
                f"{height}×{width}; they must be equal."
            )


TOLERANCE = 0.5  # px by which a simplified outline may leave the exact one


def polygons(labels: np.ndarray) -> list[list[list[float]]]:
    """Return the outline of each cell of (H, W) as [[x, y], …], in the order of their ids.

    A cell in several parts has only its longest outline. Pixel centres have whole coordinates; an outline runs half a
    pixel outside them.
    """
    outlines = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        cell = np.pad(labels[box] == number, 1)
        contour = approximate_polygon(max(find_contours(cell, 0.5), key=len), TOLERANCE)
        corner = [box[1].start - 1, box[0].start - 1]
        outlines.append((contour[:, ::-1] + corner).round(1).tolist())
    return outlines


def page_annotations(pages: list[np.ndarray], label: str, first: int = 0) -> list[dict[str, Any]]:
    """Return one annotation per page, with one element per cell; the first page is the image's page ``first``."""
    return [
        {
            "annotation": {
                "name": f"page {number}",
                "elements": [{"label": label, "contours": [outline]} for outline in polygons(page)],
            }
        }
        for number, page in enumerate(pages, start=first)
    ]
