"""The layout of NumPy stacks: ``images.npy`` with ``masks.npy``, such as sets of CT slices.

Masks are 0 … 1, the share of a pixel that is foreground (masks scaled down have such); above a half counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unetpipe.errors import InputError, stop
from unetpipe.io.npy import open_array

IMAGES, MASKS = "images.npy", "masks.npy"


def is_arrays(root: Path) -> bool:
    """Return whether a folder holds one of the two files."""
    return (root / IMAGES).is_file() or (root / MASKS).is_file()


def array_records(dataset_dir: str | os.PathLike, complain: Callable[[str], None] = stop) -> list[dict[str, Any]]:
    """List the images of ``images.npy`` with their masks: sequence "images", frames 0, 1 ….

    Parameters and result are those of :func:`unetpipe.datasets.isbi2012.isbi2012_records`.
    """
    images, masks = Path(dataset_dir) / IMAGES, Path(dataset_dir) / MASKS
    try:
        for path, other in ((images, masks), (masks, images)):
            if not path.is_file():
                raise InputError(f"There is no {path} beside {other.name}.")
        shapes = [open_array(path).shape[:3] for path in (images, masks)]
        if shapes[0] != shapes[1]:
            raise InputError(f"{masks} is {shapes[1]} (images, height, width), {images} is {shapes[0]}.")
    except InputError as error:
        complain(str(error))
        return []
    record = {"image": str(images), "label": str(masks), "sequence": "images", "masks": "shares"}
    return [
        {**record, "frame": page, "page": page, "mask_name": f"images/mask{page:03d}.tif"}
        for page in range(shapes[0][0])
    ]
