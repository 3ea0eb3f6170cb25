"""Instance maps in the form in which MONAI Label's writer takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy

from unetpipe.io.formats import is_nifti
from unetpipe.io.images import check_ids


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
