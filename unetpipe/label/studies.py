"""The studies folder: MONAI Label's own store of images and labels, which refuses what it could not use."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException

from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.io.formats import image_stem, image_suffix
from unetpipe.io.images import count_pages, read_image, read_labels
from unetpipe.label.folder import request_folder
from unetpipe.label.masks import SUFFIXES, check_label
from unetpipe.label.parameters import check_info, check_name

PATTERNS = [f"*{case}" for suffix in SUFFIXES for case in (suffix, suffix.upper())]


class Studies(LocalDatastore):
    """A folder of images, with their labels below ``labels``.

    Parameters
    ----------
    folder : path
        The folder.
    """

    def __init__(self, folder: str) -> None:
        self._changing = threading.RLock()  # MONAI Label's watcher of the folder reads the store in a thread of its own
        super().__init__(folder, extensions=PATTERNS, auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD)

    def image_file(self, image_id: Any) -> str:
        """Return the path of an image; raise ImageNotFoundException if there is none of that id."""
        path = self.get_image_uri(image_id) if isinstance(image_id, str) else ""
        if not path:
            raise ImageNotFoundException(f"There is no image {image_id!r} in the studies.")
        return path

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Store an image; raise InputError if it is none or its name would leave the folder."""
        check_name(image_id)
        check_info(image_info)
        if image_id in self.list_images():
            raise InputError(f"There is an image {image_id!r} already.")
        if image_suffix(image_filename).lower() not in SUFFIXES:
            raise InputError(f"The image {image_id!r} is of another format; send {', '.join(SUFFIXES)}.")
        for page in range(count_pages(image_filename)):
            read_image(image_filename, page)
        with self._changing:
            return super().add_image(image_id, image_filename, image_info)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Store a label if it fits its image, in place of one of another format."""
        image = self.image_file(image_id)
        check_name(label_tag)
        check_label(label_filename, image)
        old = self.get_label_uri(image_id, label_tag)
        with self._changing:
            saved = super().save_label(image_id, label_filename, label_tag, label_info)
        if old and old != self.get_label_uri(image_id, label_tag):
            Path(old).unlink(missing_ok=True)
        return saved

    def remove_image(self, image_id: str) -> None:
        """Remove an image and its labels."""
        self.image_file(image_id)
        super().remove_image(image_id)
        self.refresh()

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Remove a label."""
        if not self.get_label_uri(label_id, label_tag):
            raise LabelNotFoundException(f"There is no label {label_tag!r} of an image {label_id!r}.")
        super().remove_label(label_id, label_tag)
        self.refresh()

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Add notes on an image."""
        check_info(info)
        with self._changing:
            super().update_image_info(image_id, info)

    def _reconcile_datastore(self) -> None:
        """Compare the store with the files in the folder, one thread at a time."""
        with self._changing:
            super()._reconcile_datastore()

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Return the path of a ZIP archive of the labelled images and their labels, at most so many images."""
        pairs = self.datalist()[: max(limit_cases or 0, 0) or None]
        if not pairs:
            raise InputError("No image has a label yet, so there is no data set to send.")
        path = request_folder.get() / "dataset.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for pair in pairs:
                for kind, file in pair.items():
                    archive.write(file, f"{kind}/{Path(file).name}")
            archive.writestr("metadata.json", self._datastore.model_dump_json(exclude={"base_path"}))
        return str(path)

    def pairs(self) -> list[Record]:
        """List the labelled images by name: "image", "label" and, for each page of a stack with a cell, "page"."""
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

    def _to_id(self, file: str) -> tuple[str, str]:
        # MONAI Label's own removes the suffix wherever it stands: a.tif.b.tif would be a.b
        return image_stem(file), image_suffix(file)

    def _list_files(self, path: str, patterns: list[str]) -> dict[str, str]:
        return {name: file for name, file in super()._list_files(path, patterns).items() if _can_be_named(name)}


def _can_be_named(name: str) -> bool:
    try:
        check_name(image_stem(name))
    except InputError:
        return False
    return True
