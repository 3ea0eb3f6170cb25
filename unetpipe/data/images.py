"""Images to segment: what a folder holds, and what the masks of each are called."""

from __future__ import annotations

import os
import re
from pathlib import Path

from unetpipe.data.ctc import find_sequences
from unetpipe.data.io import IMAGE_SUFFIXES
from unetpipe.errors import InputError


def find_images(path: str | os.PathLike) -> list[dict[str, str]]:
    """List the images of a file, a folder of images, or a CTC data set (all its sequences).

    Returns
    -------
    list of dict
        "image": the path; "mask_name": where its mask goes below an output folder. tNNN.tif gives
        maskNNN.tif, in a CTC set in the folder NN_RES; any other NAME.tif or NAME.png gives NAME_mask.tif.

    Raises
    ------
    InputError
        If there is no such file or folder, or it holds no image.
    """
    root = Path(path)
    if root.is_file():
        return [{"image": str(root), "mask_name": mask_name(root.name)}]
    if not root.is_dir():
        raise InputError(f"There is no image file or folder {root}.")
    images = _images_in(root)
    if images:
        return [{"image": str(image), "mask_name": mask_name(image.name)} for image in images]
    try:
        sequences = find_sequences(root)
    except InputError:
        sequences = []
    records = [
        {"image": str(image), "mask_name": f"{sequence}_RES/{mask_name(image.name)}"}
        for sequence in sequences
        for image in _images_in(root / sequence)
    ]
    if not records:
        raise InputError(f"{root} holds no image ({', '.join('*' + suffix for suffix in IMAGE_SUFFIXES)}).")
    return records


def mask_name(image_name: str) -> str:
    """Return the file name of an image's mask: t012.tif → mask012.tif, cells.png → cells_mask.tif."""
    frame = re.fullmatch(r"t(\d{3,})\.tiff?", image_name)
    return f"mask{frame.group(1)}.tif" if frame else f"{Path(image_name).stem}_mask.tif"


def _images_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
