"""Normalise images so that objects are bright for every stain, and similarly bright."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms import NormalizeIntensityd
from torch import Tensor

COMPRESSION = 3.0  # the scale turns from linear to logarithmic at a third of a standard deviation


class NormalizeBrightd(NormalizeIntensityd):
    """MONAI's NormalizeIntensityd, then negation of images with dark objects, then compression of the values.

    Objects that cover less than half of an image are the longer tail of its grey values. Images with bright objects on
    a dark ground (fluorescence) stay; images with dark objects on a bright ground (transmitted light) are negated. So
    one network sees only bright objects. An image (C, H, W) is negated if the third central moment of its mean over
    the channels is negative.

    Each value v is then compressed to asinh(3 v): an object of 1 standard deviation becomes 1.8, one of 10 becomes 4.1.
    Parameters are those of NormalizeIntensityd.

    Examples
    --------
    >>> import numpy as np
    >>> dark = np.array([[[0.0, 9, 9, 9]]], np.float32)
    >>> NormalizeBrightd("image")({"image": dark})["image"].numpy().round(2)
    array([[[ 2.35, -1.32, -1.32, -1.32]]], dtype=float32)
    """

    @staticmethod
    def sign(image: Tensor) -> int:
        """Return -1 if the objects of a normalised image (C, H, W) are dark, so that it has to be negated, else 1."""
        grey = image.float().mean(dim=0)
        return -1 if ((grey - grey.mean()) ** 3).mean() < 0 else 1

    @staticmethod
    def compressed(image: Tensor, sign: int = 1) -> Tensor:
        """Return asinh(3 v) of each value v, or of -v if ``sign`` is -1."""
        return torch.asinh(sign * COMPRESSION * image)

    @staticmethod
    def expanded(image: Tensor) -> Tensor:
        """Return the values that were compressed."""
        return torch.sinh(image) / COMPRESSION

    def __call__(self, data: Mapping[Hashable, NdarrayOrTensor]) -> dict[Hashable, NdarrayOrTensor]:
        """Return the item with each image normalised, negated if its objects are dark, and compressed."""
        item = super().__call__(data)
        for key in self.key_iterator(item):
            image = torch.as_tensor(item[key])
            item[key] = self.compressed(image, self.sign(image))
        return item
