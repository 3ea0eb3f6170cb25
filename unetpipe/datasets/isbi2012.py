"""The layout of the ISBI 2012 challenge: two stacks of one page a slice, 0 on membranes and 255 in cells.

The cells are the 4-connected components of what is not membrane.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unetpipe.errors import InputError, stop
from unetpipe.io.images import count_pages

IMAGES, LABELS = "train-volume.tif", "train-labels.tif"


def is_isbi2012(root: Path) -> bool:
    """Return whether a folder holds one of the two stacks."""
    return (root / IMAGES).is_file() or (root / LABELS).is_file()


def isbi2012_records(dataset_dir: str | os.PathLike, complain: Callable[[str], None] = stop) -> list[dict[str, Any]]:
    """List the slices of ``train-volume.tif`` with their truth in ``train-labels.tif``: sequence "01", frames 0, 1 ….

    Parameters
    ----------
    dataset_dir : path
        The folder that holds the two.
    complain : callable
        Given one sentence on what is wrong; by default raises InputError.

    Returns
    -------
    list of dict
        As :func:`unetpipe.datasets.find_records` describes it.
    """
    images, labels = Path(dataset_dir) / IMAGES, Path(dataset_dir) / LABELS
    try:
        for path, other in ((images, labels), (labels, images)):
            if not path.is_file():
                raise InputError(f"There is no {path} beside {other.name}.")
        pages, label_pages = count_pages(images), count_pages(labels)
        if pages != label_pages:
            raise InputError(f"{labels} has {label_pages} page(s), {images} has {pages}; they must be alike.")
    except InputError as error:
        complain(str(error))
        return []
    record = {"image": str(images), "label": str(labels), "sequence": "01", "masks": "classes"}
    return [{**record, "frame": page, "page": page, "mask_name": f"01_RES/mask{page:03d}.tif"} for page in range(pages)]
