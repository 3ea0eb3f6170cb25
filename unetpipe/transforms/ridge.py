"""Separate touching cells by a thin background line, as MONAI transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_dst_type, convert_to_numpy

from unetpipe.instances.ridge import cut_ridge


class TouchingRidge(Transform):
    """Draw a thin background line wherever two cells of an instance map (1, H, W) meet.

    Parameters
    ----------
    radius : float
        Pixels of a cell become background if another cell is at most this many pixels away. 1 takes one pixel from
        each of two touching cells.

    Examples
    --------
    >>> import numpy as np
    >>> TouchingRidge()(np.array([[[3, 3, 3, 5, 5, 5]]]))
    tensor([[[3, 3, 0, 0, 5, 5]]])
    """

    def __init__(self, radius: float = 1.0) -> None:
        self.radius = radius

    def __call__(self, label: Any) -> torch.Tensor:
        """Return the instance map (1, H, W) with the line drawn, as a tensor of its dtype."""
        ridged = cut_ridge(convert_to_numpy(label)[0], self.radius)[None]
        return convert_to_dst_type(ridged, torch.as_tensor(label))[0]


class TouchingRidged(MapTransform):
    """Dictionary form of :class:`TouchingRidge`."""

    def __init__(self, keys: KeysCollection, radius: float = 1.0, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.ridge = TouchingRidge(radius)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the line drawn in each of ``keys``."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.ridge(item[key])
        return item
