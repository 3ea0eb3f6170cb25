"""The layout of NumPy stacks: ``images.npy`` with ``masks.npy``, such as sets of CT slices.

Masks hold 0 … 1, the share of each pixel that is foreground, as masks do that were scaled down. A pixel above one half
counts as foreground.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unetpipe.datasets.masks import all_known, components
from unetpipe.datasets.records import Record, mask_name
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import images_in
from unetpipe.io.npy import open_array, read_share

NAME = "arrays"
DESCRIPTION = "NumPy stacks (images.npy with masks.npy)"
FLAT = True
IMAGES, MASKS = "images.npy", "masks.npy"


def matches(folder: Path) -> bool:
    """Return whether a folder holds one of the two files."""
    return (folder / IMAGES).is_file() or (folder / MASKS).is_file()


def records(folder: Path, complain: Callable[[str], None] = stop, **_: str) -> list[Record]:
    """List the images of ``images.npy`` with their masks: sequence "images", frames 0, 1 …."""
    images, masks = folder / IMAGES, folder / MASKS
    try:
        for path, other in ((images, masks), (masks, images)):
            if not path.is_file():
                raise InputError(f"There is no {path} next to {other.name}.")
        shape, masks_shape = (open_array(path).shape[:3] for path in (images, masks))
        if shape != masks_shape:
            raise InputError(f"{masks} is {masks_shape} (images, height, width), {images} is {shape}.")
    except InputError as error:
        complain(str(error))
        return []
    return [
        Record(
            image=str(images),
            label=str(masks),
            page=page,
            sequence="images",
            frame=page,
            mask_name=f"images/mask{page:03d}.tif",
            masks="shares",
        )
        for page in range(shape[0])
    ]


def images(folder: Path) -> list[tuple[Path, str]]:
    """List the images of the folder, except the masks."""
    return [(image, mask_name(image.name)) for image in images_in(folder) if image.name != MASKS]


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Read a mask: the 4-connected components of the pixels above 0.5; all pixels are known."""
    return all_known(components(read_share(record["label"], record["page"]).astype(np.int32)))
