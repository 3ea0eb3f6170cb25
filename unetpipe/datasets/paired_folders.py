"""Paired folders: ``images/`` and ``masks/``, files of one name in each; PNG, TIFF and NIfTI in any mixture.

Folders may also be called image, imgs, img and mask, labels, label, in upper or lower case. An image and
a mask belong together if their names are alike without suffix, as they are or once a word for what they are is taken
away: ``image_``, ``img_``, ``_image``, ``_img`` from an image's name, ``mask_``, ``masks_``, ``label_``,
``labels_``, ``seg_``, ``gt_`` or the same at the end from a mask's. So ``a.png`` goes with ``a.tif``,
``a_mask.png`` or ``label_a.nii.gz``. An image without a mask is left out; a mask without an image is an
error.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unetpipe.datasets.masks import all_known, check_choice, components, decide_masks
from unetpipe.datasets.records import Record, mask_name, without_outputs
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import IMAGE_SUFFIXES, image_stem, images_in, is_nifti
from unetpipe.io.images import count_pages, read_labels
from unetpipe.io.nifti import same_space

NAME = "folders"
DESCRIPTION = "paired folders (images/ with masks/ or labels/: PNG, TIFF or NIfTI files of one name)"
FLAT = False
IMAGE_FOLDERS = ("images", "image", "imgs", "img")
MASK_FOLDERS = ("masks", "mask", "labels", "label")
IMAGE_WORDS = ("images", "image", "imgs", "img")
MASK_WORDS = ("masks", "mask", "labels", "label", "seg", "gt")
LOOKED_AT = 32  # label maps that decide what masks="auto" is


class Pairs(NamedTuple):
    """Images with their masks, images that have none, and masks that have no image."""

    pairs: list[tuple[Path, Path]]
    images_alone: list[Path]
    masks_alone: list[Path]


def matches(folder: Path) -> bool:
    """Return whether a folder holds a folder of images and one of masks."""
    return all(_folders(folder, names) for names in (IMAGE_FOLDERS, MASK_FOLDERS))


def pair_files(root: str | os.PathLike) -> Pairs:
    """Match the files of the two folders by name.

    Raises
    ------
    InputError
        If two images or two masks have one name.
    """
    image_files = without_outputs(images_in(_one_folder(Path(root), IMAGE_FOLDERS)))
    mask_files = images_in(_one_folder(Path(root), MASK_FOLDERS))
    same = _stems(image_files).keys() & _stems(mask_files).keys()  # before words are taken away
    images = _by_name(image_files, [IMAGE_WORDS], same)
    masks = _by_name(mask_files, [MASK_WORDS, IMAGE_WORDS], same)
    return Pairs(
        [(images[name], masks[name]) for name in images if name in masks],
        [path for name, path in images.items() if name not in masks],
        [path for name, path in masks.items() if name not in images],
    )


def records(folder: Path, complain: Callable[[str], None] = stop, *, masks: str = "auto", **_: str) -> list[Record]:
    """List the images that have a mask.

    Single images are frames 0, 1 … of one sequence called after their folder, in the order of their
    names; every multi-page file is a sequence called after the file, with its pages as frames.

    Parameters
    ----------
    folder : path
        The folder that holds ``images`` and ``masks``.
    complain : callable
        Is given one sentence for each thing that is wrong; by default raises InputError at the first.
    masks : {"auto", "instances", "classes"}
        Whether a mask's values are cells or classes; "auto" looks at up to 32 masks, spread evenly
        (:func:`unetpipe.datasets.masks.decide_masks`).

    Returns
    -------
    list of Record
    """
    check_choice(masks)
    files = pair_files(folder)
    for mask in files.masks_alone:
        complain(f"{mask} has no image: none of that name ({', '.join(IMAGE_SUFFIXES)}) is in the folder of images.")
    found: list[Record] = []
    single = 0
    for image, mask in files.pairs:
        try:
            pages = _common_pages(image, mask)
        except InputError as error:
            complain(str(error))
            continue
        stem = image_stem(image)
        record = Record(image=str(image), label=str(mask))
        if pages == 1:
            found.append({**record, "sequence": image.parent.name, "frame": single, "mask_name": f"{stem}_mask.tif"})
            single += 1
            continue
        found += [
            {**record, "page": page, "sequence": stem, "frame": page, "mask_name": f"{stem}/mask{page:03d}.tif"}
            for page in range(pages)
        ]
    if not found:
        complain(f"No image in {folder} has a mask; images and masks are matched by their names (a.png, a_mask.png).")
        return []
    kind = decide_masks(_some_labels(found)) if masks == "auto" else masks
    return [{**record, "masks": kind} for record in found]


def images(folder: Path) -> list[tuple[Path, str]]:
    """List the images, also those without a mask."""
    return [(image, mask_name(image.name)) for image in without_outputs(images_in(_one_folder(folder, IMAGE_FOLDERS)))]


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Read a mask: its values are the cells, or have a cell in each 4-connected component; all pixels are known."""
    label = read_labels(record["label"], record.get("page"))
    return all_known(label if record["masks"] == "instances" else components(label))


def _folders(root: Path, names: Sequence[str]) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name.lower() in names)


def _one_folder(root: Path, names: Sequence[str]) -> Path:
    found = _folders(root, names)
    if not found:
        raise InputError(f"{root} has no folder {' or '.join(names)}.")
    if len(found) > 1:
        raise InputError(f"{root} has the folders {' and '.join(path.name for path in found)}; keep one of them.")
    return found[0]


def _stems(files: Sequence[Path]) -> dict[str, Path]:
    """Map the names without suffix, in one Unicode form, to the files; macOS writes letters and accents apart."""
    return {unicodedata.normalize("NFC", image_stem(path)): path for path in files}


def _by_name(files: Sequence[Path], groups: Sequence[Sequence[str]], whole: Collection[str]) -> dict[str, Path]:
    """Map what names have left, without suffix and a word of each group, to the files; names in ``whole`` stay."""
    named: dict[str, Path] = {}
    for path in files:
        name = unicodedata.normalize("NFC", image_stem(path))
        for words in groups if name not in whole else ():
            either = "|".join(words)
            name = re.sub(rf"^(?:{either})[_-](?=.)|(?<=.)[_-](?:{either})$", "", name, flags=re.IGNORECASE)
        if name in named:
            raise InputError(f"{named[name]} and {path} have one name; keep one of them.")
        named[name] = path
    return named


def _common_pages(image: Path, mask: Path) -> int:
    pages, mask_pages = count_pages(image), count_pages(mask)
    if pages != mask_pages:
        raise InputError(f"{mask} has {mask_pages} page(s), its image {image} has {pages}; they must be alike.")
    if is_nifti(image) and is_nifti(mask) and not same_space(image, mask):
        raise InputError(f"{mask} lies elsewhere in space than {image} (their affines differ); resample it first.")
    return pages


def _some_labels(records: Sequence[Record]) -> list[np.ndarray]:
    """Read evenly spread masks, those that can be read: what is wrong with the others is said when they are used."""
    labels = []
    for index in np.unique(np.linspace(0, len(records) - 1, LOOKED_AT).round().astype(int)):
        try:
            labels.append(read_labels(records[index]["label"], records[index].get("page")))
        except InputError:
            continue
    return labels


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
