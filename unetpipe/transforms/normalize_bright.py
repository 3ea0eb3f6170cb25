"""Normalised images in which the objects are bright, whatever the stain, and none outshines the others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms import NormalizeIntensityd

COMPRESSION = 3.0  # of standard deviations: where the scale turns from linear to logarithmic is at a third of one


class NormalizeBrightd(NormalizeIntensityd):
    """MONAI's NormalizeIntensityd, and the negative of images whose grey values have their tail on the dark side.

    Objects that cover less than half of an image are that tail: bright ones on a dark ground (fluorescence) stay,
    dark ones on a bright ground (transmitted light) are turned, so that one network meets bright objects alone. The
    sign is that of the third central moment of the mean over the channels, (C, H, W).

    Values are then compressed by asinh(3 v): objects of 1 and of 10 standard deviations, dim and bright ones of
    an image or of different images, come to 1.8 and 4.1. Parameters are the parent's.
    """

    def __call__(self, data: Mapping[Hashable, NdarrayOrTensor]) -> dict[Hashable, NdarrayOrTensor]:
        """Return the item with each image normalised, negated if it is dark on bright, and compressed."""
        item = super().__call__(data)
        for key in self.key_iterator(item):
            grey = torch.as_tensor(item[key]).float().mean(dim=0)
            if ((grey - grey.mean()) ** 3).mean() < 0:
                item[key] = -item[key]
            item[key] = torch.asinh(COMPRESSION * torch.as_tensor(item[key]))
        return item
