"""The ridge between touching cells as MONAI transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_numpy

from unetpipe.instances.ridge import cut_ridge


class TouchingRidge(Transform):
    """Draw a thin background line wherever two cells of an instance map (1, H, W) meet.

    Parameters
    ----------
    radius : float
        Pixels; a pixel that has another cell within it becomes background. 1 takes one pixel
        from each of two touching cells.
    """

    def __init__(self, radius: float = 1.0) -> None:
        self.radius = radius

    def __call__(self, label: Any) -> torch.Tensor:
        """Return the instance map (1, H, W) with the ridge cut, in its own dtype."""
        instances = convert_to_numpy(label)
        tensor = torch.from_numpy(cut_ridge(instances[0], self.radius)[None])
        return MetaTensor(tensor).copy_meta_from(label) if isinstance(label, MetaTensor) else tensor


class TouchingRidged(MapTransform):
    """Dictionary form of :class:`TouchingRidge`."""

    def __init__(self, keys: KeysCollection, radius: float = 1.0, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.ridge = TouchingRidge(radius)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the ridge cut in each of ``keys``."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.ridge(item[key])
        return item
