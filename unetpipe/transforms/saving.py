"""Write instance maps as 16-bit masks, or hand them to MONAI Label's writer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy

from unetpipe.io.formats import is_nifti
from unetpipe.io.images import check_ids, write_label_pages
from unetpipe.io.journal import NAME, Journal


class SaveMasksd(MapTransform):
    """Write instance maps (1, H, W) as uint16 TIFFs of that height and width below ``output_dir``.

    The name comes from the metadata that :class:`unetpipe.transforms.ReadImaged` gave the image. The masks of an
    image of several pages are kept (2 bytes a pixel) until the last one has come; then they are written as one
    file. The masks of a NIfTI volume become a NIfTI volume at the same place in space.

    Parameters
    ----------
    keys : str or sequence of str
        Instance maps, MetaTensors.
    output_dir : path
        Folder; it is made if it is missing. Each file appears under its name only when complete.
    journal : path, optional
        File in which each mask that is written is noted (:class:`unetpipe.io.journal.Journal`); by default
        ``.segmented.jsonl`` in ``output_dir``, where ``unetpipe segment`` sees whose the masks are.
    settings : str
        A text that changes with everything that the masks depend on, except the images.

    Attributes
    ----------
    elsewhere : callable, optional
        ``elsewhere(function, *given)`` returns ``function(*given)``, computed by another process, which compresses and
        writes the file. None does it here.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike,
        journal: str | os.PathLike | None = None,
        settings: str = "",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.output_dir = Path(output_dir)
        self.journal = Journal(self.output_dir / NAME if journal is None else journal, settings)
        self._waiting: dict[Path, dict[int, tuple[np.ndarray, Any]]] = {}
        self._lock = threading.Lock()
        self.elsewhere: Callable[..., Any] | None = None

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Write, and return the item as it was."""
        item = dict(data)
        for key in self.key_iterator(item):
            meta = item[key].meta
            path = self.output_dir / meta["mask_name"]
            labels = convert_to_numpy(item[key])[0]
            check_ids(path, labels)
            with self._lock:  # pages may come from several threads
                pages = self._waiting.setdefault(path, {})
                pages[int(meta.get("page", 0))] = labels.astype(np.uint16), item.get(f"{key}_confidence")
                complete = len(pages) == int(meta.get("pages", 1))
                if complete:
                    del self._waiting[path]
            if complete:
                masks, confidences = zip(*(pages[page] for page in sorted(pages)), strict=True)
                image = meta.get("filename_or_obj")  # an image in memory has none
                write = partial(self.elsewhere, write_label_pages) if self.elsewhere else write_label_pages
                write(path, masks, image)
                if image is not None:
                    with self._lock:
                        self.journal.add(path, image, None if None in confidences else confidences)
        return item


class HandOutd(MapTransform):
    """Turn an instance map (1, H, W) to (x, y), uint16: MONAI Label's writer takes the first axis for x.

    A slice of a NIfTI volume has x first already (:mod:`unetpipe.io.nifti`).

    Parameters
    ----------
    keys : str or sequence of str
        Instance maps, MetaTensors with the meta data of :class:`unetpipe.transforms.ReadImaged`.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the turned map(s)."""
        item = dict(data)
        for key in self.key_iterator(item):
            source = item[key].meta["filename_or_obj"]
            labels = convert_to_numpy(item[key])[0]
            check_ids(source, labels)
            turned = labels if is_nifti(source) else labels.T
            item[key] = MetaTensor(torch.from_numpy(turned.astype("uint16"))).copy_meta_from(item[key])
        return item
