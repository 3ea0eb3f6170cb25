"""The layout of the Data Science Bowl 2018: a folder an image, ``ID/images/ID.png``, and one mask file a nucleus.

``ID/masks/*.png`` are 0 outside their nucleus. Where two overlap, the pixel belongs to the first by name.
Images of one size come from the same experiments, so each size is a sequence of its own ("256x320"): a
split by sequence or time has every kind of image in both parts.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unetpipe.errors import InputError, stop
from unetpipe.io.formats import images_in
from unetpipe.io.images import image_size, read_labels


def is_dsb2018(root: Path) -> bool:
    """Return whether a folder holds a folder that has a folder ``images``."""
    return bool(image_folders(root))


def image_folders(root: Path) -> list[Path]:
    """Return the folders ``ID`` of a set, by name; those of a set without masks too."""
    return sorted(path for path in root.iterdir() if not path.name.startswith(".") and (path / "images").is_dir())


def image_of(folder: Path) -> Path:
    """Return the one image of a folder ``ID``; InputError if there is none or there are several."""
    images = images_in(folder / "images")
    if len(images) != 1:
        raise InputError(f"{folder / 'images'} holds {len(images)} images; there must be one.")
    return images[0]


def dsb2018_records(dataset_dir: str | os.PathLike, complain: Callable[[str], None] = stop) -> list[dict[str, Any]]:
    """List the images of a set, those of one size as frames 0, 1 … of one sequence, in the order of their ids.

    Parameters
    ----------
    dataset_dir : path
        The folder that holds the folders ``ID``, such as ``stage1_train``.
    complain : callable
        Given one sentence for each thing that is wrong; by default raises InputError at the first.

    Returns
    -------
    list of dict
        As :func:`unetpipe.datasets.find_records` describes it; "label" is the folder of masks.
    """
    records = []
    frames: Counter[str] = Counter()
    for folder in image_folders(Path(dataset_dir)):
        try:
            image = image_of(folder)
            masks = folder / "masks"
            if not masks.is_dir() or not images_in(masks):
                raise InputError(f"{image} has no masks: {masks} is missing or holds no image, one for each nucleus.")
            size = "{}x{}".format(*image_size(image))
        except InputError as error:
            complain(str(error))
            continue
        place = {"sequence": size, "frame": frames[size], "mask_name": f"{folder.name}_mask.tif", "masks": "files"}
        records.append({"image": str(image), "label": str(masks), **place})
        frames[size] += 1
    return records


def read_nuclei(masks: str | os.PathLike) -> np.ndarray:
    """Read a folder of masks as an instance map (H, W), int32: 1 … n in the order of the files' names.

    Raises
    ------
    InputError
        If a mask cannot be read, or they differ in size.
    """
    label: np.ndarray | None = None
    for number, path in enumerate(images_in(Path(masks)), start=1):
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
