"""The studies folder: MONAI Label's own store of images and labels, which takes in nothing that it could not use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.exception import ImageNotFoundException

from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.io.formats import image_suffix
from unetpipe.io.images import count_pages, read_image, read_labels
from unetpipe.label.masks import SUFFIXES, check_label

PATTERNS = [f"*{case}" for suffix in SUFFIXES for case in (suffix, suffix.upper())]


class Studies(LocalDatastore):
    """A folder of images, with their labels below ``labels``.

    Parameters
    ----------
    folder : path
        The folder.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder, extensions=PATTERNS, auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD)

    def image_file(self, image_id: Any) -> str:
        """Return the path of an image; raise ImageNotFoundException if there is none of that id."""
        path = self.get_image_uri(image_id) if isinstance(image_id, str) else ""
        if not path:
            raise ImageNotFoundException(f"There is no image {image_id!r} in the studies.")
        return path

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Take in an image if it is one, under a name that stays in the folder."""
        check_name(image_id)
        if image_id in self.list_images():
            raise InputError(f"There is an image {image_id!r} already.")
        if image_suffix(image_filename).lower() not in SUFFIXES:
            raise InputError(f"The image {image_id!r} is of another format; send {', '.join(SUFFIXES)}.")
        for page in range(count_pages(image_filename)):
            read_image(image_filename, page)
        return super().add_image(image_id, image_filename, image_info)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Take in a label if it fits its image; one of another format makes way for it."""
        image = self.image_file(image_id)
        check_name(label_tag)
        check_label(label_filename, image)
        old = self.get_label_uri(image_id, label_tag)
        saved = super().save_label(image_id, label_filename, label_tag, label_info)
        if old and old != self.get_label_uri(image_id, label_tag):
            Path(old).unlink(missing_ok=True)
        return saved

    def pairs(self) -> list[Record]:
        """List the labelled images by name: "image", "label" and, of a stack, "page" for each page with a cell."""
        records: list[Record] = []
        for pair in sorted(self.datalist(), key=lambda pair: pair["image"]):
            pages = count_pages(pair["image"])
            if pages == 1:
                records.append(pair)
            else:
                records += [
                    Record(image=pair["image"], label=pair["label"], page=page)
                    for page in range(pages)
                    if read_labels(pair["label"], page).any()
                ]
        return records


def check_name(name: Any) -> None:
    """Raise InputError unless an image or a tag of that name stays in its folder."""
    if not isinstance(name, str) or not re.fullmatch(r"[^/\\\x00]+", name) or name.startswith("."):
        raise InputError(f"{name!r} cannot be a name: it must be a text, not empty, with no slash and no dot in front.")
