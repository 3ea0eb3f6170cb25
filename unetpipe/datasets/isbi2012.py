"""The layout of the ISBI 2012 challenge: two stacks with a page for each slice, 0 on membranes and 255 in cells.

The cells are the 4-connected components of what is not membrane.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unetpipe.datasets.masks import all_known, components
from unetpipe.datasets.records import Record, mask_name
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import images_in
from unetpipe.io.images import count_pages, read_labels

NAME = "isbi2012"
DESCRIPTION = "ISBI 2012 stacks (train-volume.tif with train-labels.tif)"
FLAT = True
IMAGES, LABELS = "train-volume.tif", "train-labels.tif"


def matches(folder: Path) -> bool:
    """Return whether a folder holds one of the two stacks."""
    return (folder / IMAGES).is_file() or (folder / LABELS).is_file()


def records(folder: Path, complain: Callable[[str], None] = stop, **_: str) -> list[Record]:
    """List the slices of the two stacks: sequence "01", frames 0, 1 …."""
    images, labels = folder / IMAGES, folder / LABELS
    try:
        for path, other in ((images, labels), (labels, images)):
            if not path.is_file():
                raise InputError(f"There is no {path} next to {other.name}.")
        pages, label_pages = count_pages(images), count_pages(labels)
        if pages != label_pages:
            raise InputError(f"{labels} has {label_pages} page(s), {images} has {pages}; they must be alike.")
    except InputError as error:
        complain(str(error))
        return []
    return [
        Record(
            image=str(images),
            label=str(labels),
            page=page,
            sequence="01",
            frame=page,
            mask_name=f"01_RES/mask{page:03d}.tif",
            masks="classes",
        )
        for page in range(pages)
    ]


def images(folder: Path) -> list[tuple[Path, str]]:
    """List the images of the folder, except the labels."""
    return [(image, mask_name(image.name)) for image in images_in(folder) if image.name != LABELS]


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Read a page of the labels: its 4-connected components; all pixels are known."""
    return all_known(components(read_labels(record["label"], record["page"])))
