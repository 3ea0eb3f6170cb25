"""MONAI transforms that turn a record's paths into arrays (C, H, W)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from unetpipe.datasets.layouts import check_same_size, read_truth
from unetpipe.datasets.pixels import read_for_network
from unetpipe.datasets.records import Record, mask_name

OF_SOME_RECORDS = ("layout", "markers", "silver", "field", "page", "channel", "masks", "perturbation")


class ReadImaged(MapTransform):
    """Replace the path of an image by its pixels, a MetaTensor (C, H, W), float32.

    Its metadata are "filename_or_obj" (path), "mask_name", "dtype" (of the file, str), "page" and "pages" (int: the
    number of this page, and of all pages of its mask; 0 and 1 for a mask of one page).

    Parameters
    ----------
    keys : str or sequence of str
        Paths of images; "page" and "channel" in the item, if they are there, say which page and channel.
    channels : int, optional
        Number of channels that the network takes (:func:`unetpipe.datasets.pixels.fit_channels`). Any other number
        raises InputError.
    """

    def __init__(self, keys: KeysCollection, channels: int | None = None, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.channels = channels

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with pixels in place of paths."""
        item = dict(data)
        for key in self.key_iterator(item):
            path = item[key]
            image = read_for_network(cast(Record, {**item, "image": path}), self.channels)
            meta = {
                "filename_or_obj": str(path),
                "mask_name": item.get("mask_name", mask_name(Path(path).name)),
                "dtype": str(image.dtype),
                "page": item.get("page", 0),
                "pages": item.get("pages", 1),
            }
            item[key] = MetaTensor(torch.from_numpy(image.astype("float32", order="C")), meta=meta)
        return item


class ReadTruthd(Transform):
    """Read a record's truth: "label" becomes an instance map and "known" a mask, both MetaTensors (1, H, W).

    See :func:`unetpipe.datasets.read_truth`. The image, if it is already read, must have the label's size. The label's
    meta data name the file and, in a copy on which validation chooses, the perturbation.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with "label" (int32) and "known" (bool) as arrays; what not every record has is dropped."""
        item = {key: value for key, value in data.items() if key not in OF_SOME_RECORDS}
        image = item.get("image")
        source = image.meta["filename_or_obj"] if isinstance(image, MetaTensor) else image
        record = cast(Record, {**data, "image": source})
        label, known = read_truth(record)
        if isinstance(image, torch.Tensor):
            check_same_size(record, label, tuple(image.shape))
        meta = {"filename_or_obj": str(data["label"]), "perturbation": data.get("perturbation", "")}
        item["label"] = MetaTensor(torch.from_numpy(label[None]), meta=meta)
        item["known"] = MetaTensor(torch.from_numpy(known[None]), meta=meta)
        return item
