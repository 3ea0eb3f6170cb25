"""The layout of MNIST: a folder of ``*-images-idx3-ubyte`` files, plain or gzip-compressed. They have no truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unetpipe.datasets.records import Record, mask_name
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import image_stem, images_in
from unetpipe.io.idx import SUFFIXES, count_pages

NAME = "mnist"
DESCRIPTION = "MNIST (*-images-idx3-ubyte, or .gz: images without truth, for configs/autoencoder.json)"
FLAT = True


def matches(folder: Path) -> bool:
    """Return whether a folder holds such a file."""
    return bool(images(folder))


def records(folder: str | Path, complain: Callable[[str], None] = stop, **_: str) -> list[Record]:
    """List the images of a folder's files, those of one file as frames 0, 1 … of a sequence.

    The sequence is called after the file, up to "-images".

    Raises
    ------
    InputError
        If there is no folder, or a file cannot be read.
    """
    root = Path(folder)
    paths = [path for path, _ in images(root)] if root.is_dir() else []
    if not paths:
        complain(f"{root} holds no file of images such as t10k-images-idx3-ubyte.gz.")
    return [
        Record(image=str(path), page=page, frame=page, sequence=image_stem(path))
        for path in paths
        for page in range(count_pages(path))
    ]


def images(folder: Path) -> list[tuple[Path, str]]:
    """List the files of the folder."""
    return [(path, mask_name(path.name)) for path in images_in(folder) if path.name.lower().endswith(SUFFIXES)]


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Raise InputError: there is no truth."""
    raise InputError(f"{record['image']} has no truth: MNIST's files hold images only.")
