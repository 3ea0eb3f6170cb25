"""Images to segment: what a folder holds, what the masks of each are called, and which image a mask is of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import numpy as np

from unetpipe.datasets.layouts import layout_of
from unetpipe.datasets.records import Record, mask_name, without_outputs
from unetpipe.errors import InputError
from unetpipe.io.formats import IMAGE_SUFFIXES, image_stem, images_in
from unetpipe.io.images import count_pages, read_image


def find_images(path: str | os.PathLike) -> list[Record]:
    """List the images of a file, a folder of images, or a data set of a known layout; one record a page.

    Returns
    -------
    list of Record
        "image": the path; "mask_name": where its mask goes below an output folder. tNNN.tif gives
        maskNNN.tif, in a CTC set in the folder NN_RES; any other NAME.tif or NAME.png gives NAME_mask.tif;
        NAME.nii.gz gives NAME_mask.nii.gz. A file of several pages has a record for each, in order, with
        "page" and "pages", all with one "mask_name": its mask has as many pages.

    Raises
    ------
    InputError
        If there is no such file or folder, it holds no image, or two images would have one mask.
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"There is no image file or folder {root}.")
    records: list[Record] = []
    source: dict[str, Path] = {}
    for image, name in named_images(root):
        if name in source:
            raise InputError(f"{source[name]} and {image} would both have the mask {name}; rename one of them.")
        source[name] = image
        pages = count_pages(image)
        record = Record(image=str(image), mask_name=name)
        records += [record] if pages == 1 else [{**record, "page": page, "pages": pages} for page in range(pages)]
    if not records:
        raise InputError(f"{root} holds no image ({', '.join('*' + suffix for suffix in IMAGE_SUFFIXES)}).")
    return records


def named_images(root: Path) -> list[tuple[Path, str]]:
    """Return the image files of a file, folder or data set, and the names of their masks.

    Images in a folder itself are taken, not those in its folders.
    """
    if root.is_file():
        return [(root, mask_name(root.name))]
    images = without_outputs(images_in(root))
    layout = layout_of(root)
    if layout is None or (images and not layout.FLAT):
        return [(image, mask_name(image.name)) for image in images]
    return layout.images(root)


def read_for_network(path: str | os.PathLike, page: int | None = None, channels: int | None = None) -> np.ndarray:
    """Read an image (C, H, W) as a network takes it; a grey image has equal channels for a network of colours.

    Parameters
    ----------
    path : path
        The image file.
    page : int, optional
        Page of a file of several, from 0.
    channels : int, optional
        Number of channels that the network takes.

    Raises
    ------
    InputError
        If the image cannot be read, or has another number of channels.
    """
    image = read_image(path, page)
    if channels == 3 and image.shape[0] == 1:
        image = image.repeat(3, axis=0)
    if channels is not None and image.shape[0] != channels:
        raise InputError(
            f"{path} has {image.shape[0]} channel(s), the network takes {channels}; "
            f"convert the image or set in_channels={image.shape[0]}."
        )
    return image


class MaskMatcher:
    """Finds the record of a mask: by the name that the record gives it, else by its image's name.

    ``a_mask.png``, ``a.tif`` and page k of either are found for the image ``a`` and its page k; the mask of
    ``01/t003.tif`` is ``01_RES/mask003.tif``, in that folder. A name that several records have finds none.

    Parameters
    ----------
    records : iterable of Record
        As :func:`unetpipe.datasets.find_records` gives them.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._named: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            own = (PurePath(record["mask_name"]).with_suffix("").as_posix(), 0)
            for key in {own, (image_stem(record["image"]), record.get("page", 0))}:
                self._named.setdefault(key, []).append(record)

    def find(self, mask: Path, page: int = 0) -> Record | None:
        """Return the record of a page of a mask; None if there is none, or more than one."""
        stem = image_stem(mask)
        names = (f"{mask.absolute().parent.name}/{stem}", stem, stem.removesuffix("_mask"))
        found: Sequence[Sequence[Record]] = [self._named.get((name, page), []) for name in names]
        return next((records[0] for records in found if len(records) == 1), None)
