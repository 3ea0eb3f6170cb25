"""Normalised images in which the objects are bright, whatever the stain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms import NormalizeIntensityd


class NormalizeBrightd(NormalizeIntensityd):
    """MONAI's NormalizeIntensityd, and the negative of images whose grey values have their tail on the dark side.

    Objects that cover less than half of an image are that tail: bright ones on a dark ground (fluorescence) stay,
    dark ones on a bright ground (transmitted light) are turned, so that one network meets bright objects alone. The
    sign is that of the third central moment of the mean over the channels, (C, H, W); parameters are the parent's.
    """

    def __call__(self, data: Mapping[Hashable, NdarrayOrTensor]) -> dict[Hashable, NdarrayOrTensor]:
        """Return the item with each image normalised and, if it is dark on bright, negated."""
        item = super().__call__(data)
        for key in self.key_iterator(item):
            grey = torch.as_tensor(item[key]).float().mean(dim=0)
            if ((grey - grey.mean()) ** 3).mean() < 0:
                item[key] = -item[key]
        return item
