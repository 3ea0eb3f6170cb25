"""The layout of MNIST: a folder of ``*-images-idx3-ubyte`` files, plain or gzip-compressed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from unetpipe.errors import InputError
from unetpipe.io.idx import is_idx, read_idx


def idx_records(dataset_dir: str | os.PathLike) -> list[dict[str, Any]]:
    """List the images of a folder's files, those of one file as frames 0, 1 … of a sequence; they have no truth.

    Returns
    -------
    list of dict
        "image" (path), "page" and "frame" (int), "sequence" (str, the file's name up to "-images").

    Raises
    ------
    InputError
        If there is no folder or no such file, or one cannot be read.
    """
    root = Path(dataset_dir)
    paths = sorted(path for path in root.iterdir() if is_idx(path)) if root.is_dir() else []
    if not paths:
        raise InputError(f"{root} holds no file of images such as t10k-images-idx3-ubyte.gz.")
    return [
        {"image": str(path), "page": page, "frame": page, "sequence": re.split("[.-]images", path.name)[0]}
        for path in paths
        for page in range(len(read_idx(path)))
    ]
