"""Paired folders: ``images/`` and ``masks/``, files of one name in each; PNG, TIFF and NIfTI in any mixture.

Folders may also be called image, imgs, img and mask, labels, label, in upper or lower case. An image and a mask belong
together if their names are alike without suffix, as they are or after one of these words is removed: ``image_``,
``img_``, ``_image``, ``_img`` from an image's name, ``mask_``, ``masks_``, ``label_``, ``labels_``, ``seg_``, ``gt_``
or the same at the end from a mask's. So ``a.png`` goes with ``a.tif``, ``a_mask.png`` or ``label_a.nii.gz``. An image
without a mask is left out; a mask without an image is an error.
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
from unetpipe.io.formats import IMAGE_SUFFIXES, image_stem, image_suffix, images_in, is_nifti
from unetpipe.io.images import (
    check_ids,
    count_pages,
    read_image,
    read_labels,
    write_image_pages,
    write_label_pages,
)
from unetpipe.io.nifti import same_space
from unetpipe.morphometry.cells import number_labels

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
    folder = Path(root)
    return _match(images_in(_one_folder(folder, IMAGE_FOLDERS)), images_in(_one_folder(folder, MASK_FOLDERS)))


def _match(image_files: Sequence[Path], mask_files: Sequence[Path]) -> Pairs:
    image_files = without_outputs(image_files)
    # by their full names, before words such as "mask" are removed
    same = _stems(image_files).keys() & _stems(mask_files).keys()
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
        parts = ("masks", MASK_FOLDERS), ("images", IMAGE_FOLDERS)
        others = [(name, path) for name, names in parts for part in _folders(folder, names) for path in _not_read(part)]
        beside = (
            f"; the folder of {others[0][0]} holds files that are not read, such as {others[0][1].name}"
            if others
            else ""
        )
        complain(
            f"No image in {folder} has a mask; images and masks are matched by their names (a.png, a_mask.png){beside}."
        )
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


def write_pair(
    root: str | os.PathLike, name: str, images: Sequence[np.ndarray], labels: Sequence[np.ndarray]
) -> tuple[Path, Path]:
    """Write an image and its mask, as TIFF files of one name, into paired folders.

    An older mask of that name is replaced. An image that is there already, in whatever format, stays.

    Parameters
    ----------
    root : path
        New, empty, or a folder with a folder of images and one of masks.
    name : str
        What the image is called; characters that file names cannot hold become ``_``.
    images : sequence of ndarray
        (C, H, W): the pages of the image, alike in shape and dtype.
    labels : sequence of ndarray
        (H, W), integer, a map for each page: 0 background, else the cell's id. In the file, ids of a page are 1 … n.

    Returns
    -------
    image, mask : Path
        The files.

    Raises
    ------
    InputError
        If the folder holds something else or another image of that name, sizes differ, a page has more than 65,535
        cells, or a file cannot be written.
    """
    folder = Path(root)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder.")
    if folder.exists() and any(folder.iterdir()) and not matches(folder):
        raise InputError(f"{folder} holds something else; choose a new folder, or one with images/ and masks/.")
    shapes = [page.shape[-2:] for page in images]
    if shapes != [page.shape for page in labels]:
        raise InputError(
            f"{name} has {len(shapes)} page(s) of {shapes[0][0]}×{shapes[0][1]} pixels (height × width), its labels "
            f"have {len(labels)} of {labels[0].shape[0]}×{labels[0].shape[1]}; they must be equal."
        )
    image_folder, mask_folder = (
        _one_folder(folder, names) if folder.exists() and _folders(folder, names) else folder / names[0]
        for names in (IMAGE_FOLDERS, MASK_FOLDERS)
    )
    stem = file_stem(name)
    there, masks_there = (images_in(part) if part.is_dir() else [] for part in (image_folder, mask_folder))
    image = _stems(there).get(stem, image_folder / f"{stem}.tif")  # the image may be from this folder
    mask = mask_folder / f"{stem}.tif"
    try:
        belong = (image, mask) in _match(sorted({*there, image}), sorted({*masks_there, mask})).pairs
    except InputError:  # two files would have one name
        belong = False
    if not belong:
        raise InputError(f"The name {stem!r} is too much like that of another file in {folder}; rename the image.")
    if image.exists() and not _holds(image, images):
        raise InputError(f"{image} is there already and differs; rename the new image, or choose another folder.")
    numbered = [number_labels(page)[1] for page in labels]
    for page in numbered:
        check_ids(mask, page)
    if not image.exists():  # first, because a mask without an image is an error
        write_image_pages(image, images)
    write_label_pages(mask, numbered)
    return image, mask


def file_stem(name: str) -> str:
    """Return a name without the suffix of an image file, and ``_`` for what file names cannot hold on some system.

    Examples
    --------
    >>> file_stem("Zellen: Größe 1/2 ")
    'Zellen_ Größe 1_2'
    """
    stem = name[: len(name) - len(image_suffix(name))]
    stem = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", unicodedata.normalize("NFC", stem)).strip().strip(".")
    return stem or "image"


def _holds(path: Path, images: Sequence[np.ndarray]) -> bool:
    """Return whether a file has these pages."""
    if count_pages(path) != len(images):
        return False
    pages = (read_image(path, number) for number in range(len(images)))
    return all(np.array_equal(page, image) for page, image in zip(pages, images, strict=True))


def _folders(root: Path, names: Sequence[str]) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name.lower() in names)


def _not_read(folder: Path) -> list[Path]:
    """Return what is of another kind, such as JPEG or a folder, by name; without hidden ones."""
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in found if path.is_dir() or not image_suffix(path)]


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
    """Map names without suffix and without a word of each group to the files; names in ``whole`` keep all words."""
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
        The two files; only the name of the image is used.
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
