"""The layout of the Data Science Bowl 2018: a folder for each image, ``ID/images/ID.png``, a mask for each nucleus.

``ID/masks/*.png`` are 0 outside their nucleus. Where two overlap, the pixel belongs to the first by name.
Images of one size come from the same experiments, so each size is a separate sequence ("256x320"): a
split by sequence or time has every kind of image in both parts.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from unetpipe.datasets.masks import all_known
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import images_in
from unetpipe.io.images import image_size, read_labels

NAME = "dsb2018"
DESCRIPTION = "Data Science Bowl 2018 (ID/images/ID.png with ID/masks/*.png, one file a nucleus)"
FLAT = False


def matches(folder: Path) -> bool:
    """Return whether a folder holds a folder that has a folder ``images``."""
    return bool(_image_folders(folder))


def records(folder: Path, complain: Callable[[str], None] = stop, **_: str) -> list[Record]:
    """List the images, those of one size as frames 0, 1 … of one sequence, in the order of their ids.

    "label" is the folder of an image's masks.
    """
    found = []
    frames: Counter[str] = Counter()
    for place in _image_folders(folder):
        try:
            image = _image_of(place)
            masks = place / "masks"
            if not masks.is_dir() or not images_in(masks):
                raise InputError(f"{image} has no masks: {masks} is missing or holds no image, one for each nucleus.")
            size = "{}x{}".format(*image_size(image))
        except InputError as error:
            complain(str(error))
            continue
        found.append(
            Record(
                image=str(image),
                label=str(masks),
                sequence=size,
                frame=frames[size],
                mask_name=f"{place.name}_mask.tif",
                masks="files",
            )
        )
        frames[size] += 1
    return found


def images(folder: Path) -> list[tuple[Path, str]]:
    """List the images, also those of a set without masks."""
    return [(_image_of(place), f"{place.name}_mask.tif") for place in _image_folders(folder)]


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Read a folder of masks: 1 … n in the order of the files' names; all pixels are known."""
    return all_known(read_nuclei(record["label"]))


def read_nuclei(masks: str | os.PathLike) -> np.ndarray:
    """Read a folder of masks as an instance map (H, W), int32: 1 … n in the order of the files' names.

    Raises
    ------
    InputError
        If a mask cannot be read, or they differ in size.
    """
    label: np.ndarray | None = None
    for number, path in enumerate(sorted(images_in(Path(masks))), start=1):
        mask = read_labels(path) > 0
        if label is None:
            label = np.zeros(mask.shape, np.int32)
        if mask.shape != label.shape:
            raise InputError(
                f"{path} is {mask.shape[0]}×{mask.shape[1]} pixels (height × width), the masks before it are "
                f"{label.shape[0]}×{label.shape[1]}; they must be alike."
            )
        label[mask & (label == 0)] = number
    if label is None:
        raise InputError(f"{masks} holds no mask; there must be one for each nucleus.")
    return label


def _image_folders(folder: Path) -> list[Path]:
    """Return the folders ``ID`` of a set, by name."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and (path / "images").is_dir())


def _image_of(place: Path) -> Path:
    """Return the one image of a folder ``ID``; InputError if there is none or there are several."""
    images = images_in(place / "images")
    if len(images) != 1:
        own = f", or name {place}, if it is a separate data set" if len(images) > 1 else ""
        raise InputError(f"{place / 'images'} holds {len(images)} images; there must be one{own}.")
    return images[0]
