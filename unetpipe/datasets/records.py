"""What is known of one frame before it is read: the keys of a record, and what its mask is called."""

from __future__ import annotations

import functools
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, Required, TypedDict

from unetpipe.io.formats import image_stem, image_suffix, is_nifti


class Record(TypedDict, total=False):
    """One image, or one page of an image file, and where its truth is.

    A plain dictionary of strings and whole numbers, because MONAI's data sets take dictionaries, and JSON holds them. A
    record to segment has "image" and "mask_name", one with truth also "label". A record without "layout" comes from an
    annotation tool.
    """

    image: Required[str]
    """Path of the image file."""
    page: NotRequired[int]
    """Page of the file, from 0, of image and label alike; missing if the file has one page."""
    channel: NotRequired[int]
    """Which channel of the image is meant, from 0; missing if all are."""
    pages: NotRequired[int]
    """Number of pages of an image to segment, if there are several: its mask has as many."""
    mask_name: NotRequired[str]
    """Where the mask goes, a path below an output folder."""
    layout: NotRequired[str]
    """Name of the layout that the truth is read by (:data:`unetpipe.datasets.LAYOUTS`)."""
    sequence: NotRequired[str]
    """Name of the sequence that the frame is in."""
    frame: NotRequired[int]
    """Number of the frame within its sequence, in the order of time."""
    label: NotRequired[str]
    """Path of the truth: a label map, or a folder of masks."""
    masks: NotRequired[str]
    """What the values of the label are, if it may not be an instance map: "instances", "classes", "binary", "files",
    "borders" or "shares"."""
    truth: NotRequired[str]
    """"gold" or "silver", in a Cell Tracking Challenge set."""
    markers: NotRequired[str]
    """Path of the markers of all cells, where gold truth may leave cells out."""
    silver: NotRequired[str]
    """Path of the computer-made truth, beside markers."""
    field: NotRequired[str]
    """Path of the mask of what is annotated, where cells fill a field."""
    perturbation: NotRequired[str]
    """How a copy of the frame differs from it, on which validation chooses as well."""


FILES = ("image", "label", "markers", "silver", "field")  # the keys whose values are paths that are read


def of_channel(record: Record, channel: int | None) -> Record:
    """Return a record of which one channel is meant, if one is given."""
    return record if channel is None else {**record, "channel": channel}


def mask_name(image_name: str) -> str:
    """Return the file name of an image's mask.

    Examples
    --------
    >>> mask_name("t012.tif"), mask_name("cells.png"), mask_name("brain.nii.gz")
    ('mask012.tif', 'cells_mask.tif', 'brain_mask.nii.gz')
    """
    frame = re.fullmatch(r"t(\d{3,})\.(?i:tiff?)", image_name)
    if frame:
        return f"mask{frame.group(1)}.tif"
    return f"{image_stem(image_name)}_mask{image_suffix(image_name) if is_nifti(image_name) else '.tif'}"


def is_mask_name(name: str) -> bool:
    """Return whether a file may be a mask that unetpipe wrote (:func:`mask_name`).

    Examples
    --------
    >>> is_mask_name("mask012.tif"), is_mask_name("cells_mask.tif"), is_mask_name("t012.tif")
    (True, True, False)
    """
    return re.fullmatch(r"mask\d{3,}|.+_mask", image_stem(name)) is not None


def fingerprint(records: Sequence[Record]) -> str:
    """Return a text that changes with the content of the images and of their truth, and with their order.

    It does not change if the data set is moved or renamed.
    """

    @functools.cache
    def checked(path: str) -> int:
        value = 0
        for file in sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]:
            with file.open("rb") as stream:
                while part := stream.read(2**20):
                    value = zlib.crc32(part, value)
        return value

    content = [[*(checked(record[key]) for key in FILES if key in record), record.get("page")] for record in records]  # type: ignore[literal-required]
    return f"{len(content)} {zlib.crc32(json.dumps(content).encode()):08x}"


def without_outputs(files: Sequence[Path]) -> list[Path]:
    """Leave out files that a program wrote next to the images: our ``NAME_mask.tif``, Cellpose's ``NAME_cp_masks``.

    A file counts as such only where there is an image NAME among the files. The same is true of Cellpose's
    ``NAME_seg.npy``.
    """
    stems = {image_stem(path) for path in files}
    return [
        path
        for path in files
        if not any(
            (stem := image_stem(path)).endswith(end) and stem.removesuffix(end) in stems
            for end in ("_mask", "_cp_masks", "_seg")
        )
    ]
