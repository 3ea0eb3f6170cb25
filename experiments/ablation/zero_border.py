"""Zeros in place of mirrored pixels beyond the image border, in training and at inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch.nn.functional as F
from monai.data import MetaTensor
from torch import Tensor

from unetpipe.inferers import OverlapTileInferer
from unetpipe.transforms import RandMirrorCropd


class RandZeroCropd(RandMirrorCropd):
    """As :class:`unetpipe.transforms.RandMirrorCropd`, but what lies outside the image is 0, also in label and weight.

    0 is the mean grey value of a normalised image; a weight of 0 keeps the outside out of the loss.
    """

    def randomize(self, size: tuple[int, int], cells: Tensor | None = None) -> None:
        """Draw the centre, uniform over the image within its border of zeros, wherever there are cells."""
        border = self.roi_size
        super().randomize((size[0] - 2 * border, size[1] - 2 * border))
        self.centre = (self.centre[0] + border, self.centre[1] + border)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with its window of every key."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = _with_zeros(item[key], self.roi_size)
        return super().__call__(item)


class ZeroBorderTileInferer(OverlapTileInferer):
    """As :class:`unetpipe.inferers.OverlapTileInferer`, with zeros beyond the image border."""

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return (B, K, H, W) for images (B, C, H, W)."""
        margin, step = self._geometry(network)
        border = -(-margin // step) * step  # a multiple of the step keeps the pooling grid in place
        result = super().__call__(_with_zeros(inputs, border), network, *args, **kwargs)
        return result[..., border:-border, border:-border]


def _with_zeros(array: Tensor, border: int) -> Tensor:
    """Return (…, H + 2·border, W + 2·border) with the meta data that the tensor had."""
    plain = array.as_tensor() if isinstance(array, MetaTensor) else array
    padded = F.pad(plain, (border, border, border, border))
    return MetaTensor(padded).copy_meta_from(array) if isinstance(array, MetaTensor) else padded
