"""Frames on which validation chooses as well: with a ramp, noise, or flat ground around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from unetpipe.transforms.batched import plain_tensor

SEED = 4  # of the noise, which is always the same


def with_ramp(image: Tensor, amount: float) -> Tensor:
    """Add a linear ramp over the height; its range is ``amount`` standard deviations of the image (C, H, W)."""
    rows = torch.linspace(-0.5, 0.5, image.shape[1], device=image.device)[:, None]
    return image + amount * image.std() * rows


def with_noise(image: Tensor, amount: float) -> Tensor:
    """Add Gaussian noise of ``amount`` standard deviations of the image (C, H, W), always the same."""
    drawn = torch.randn(image.shape, generator=torch.Generator().manual_seed(SEED)).to(image.device)
    return image + amount * image.std() * drawn


def amid(array: Tensor, amount: float, value: Tensor | float) -> tuple[Tensor, tuple[int, int]]:
    """Put an array (C, H, W) into the middle of one ``amount`` times as high and wide.

    Parameters
    ----------
    array : Tensor
        (C, H, W).
    amount : float
        At least 1.
    value : Tensor or float
        What surrounds it: a number, or (C, 1, 1).

    Returns
    -------
    Tensor, (int, int)
        The larger array, and where the top left of the old one lies in it.

    Examples
    --------
    >>> amid(torch.ones(1, 1, 2, dtype=torch.int32), 2, 0)[0]
    tensor([[[0, 1, 1, 0],
             [0, 0, 0, 0]]], dtype=torch.int32)
    """
    channels, height, width = array.shape
    rows, columns = round(amount * height), round(amount * width)
    wide = torch.empty((channels, rows, columns), dtype=array.dtype, device=array.device)
    wide[:] = value
    top, left = (rows - height) // 2, (columns - width) // 2
    wide[:, top : top + height, left : left + width] = array
    return wide, (top, left)


def median_ground(image: Tensor) -> Tensor:
    """Return the median grey value of each channel of (C, H, W), as (C, 1, 1)."""
    return image.flatten(1).median(1).values[:, None, None]


GROUND = "flat ground"  # as large as the frame
# those of grey values; amounts are those at which networks that never saw them fail
OF_GREY_VALUES: dict[str, tuple[Callable[[Tensor, float], Tensor], float]] = {
    "noise 0.3 sd": (with_noise, 0.3),
    "ramp 1 sd": (with_ramp, 1.0),
}
PERTURBATIONS = (*OF_GREY_VALUES, GROUND)
WIDER = 1.4


class Perturbd(MapTransform):
    """Perturb the frames whose label says so; other frames pass.

    The label's meta data hold the name of the perturbation under "perturbation"
    (:class:`unetpipe.transforms.ReadTruthd` takes it from the record). The transform belongs before the normalisation.

    Parameters
    ----------
    keys : (str, str, str)
        Image (C, H, W), label (1, H, W) and known pixels (1, H, W), MetaTensors. Added ground is known background.
    """

    def __init__(self, keys: tuple[str, str, str] = ("image", "label", "known")) -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item, perturbed if its label says so."""
        item = dict(data)
        image_key, label_key, known_key = self.keys
        name = perturbation_of(item[label_key])
        if not name:
            return item
        image = plain_tensor(item[image_key])
        if name == GROUND:
            changed = {
                image_key: amid(image, WIDER, median_ground(image))[0],
                label_key: amid(plain_tensor(item[label_key]), WIDER, 0)[0],
                known_key: amid(plain_tensor(item[known_key]), WIDER, True)[0],
            }
        else:
            function, amount = OF_GREY_VALUES[name]
            changed = {image_key: function(image, amount)}
        for key, tensor in changed.items():
            item[key] = MetaTensor(tensor, meta=item[key].meta)
        return item


def perturbation_of(label: Any) -> str:
    """Return the name of the perturbation that a label's meta data hold; "" for a plain frame."""
    return str(label.meta.get("perturbation", "")) if isinstance(label, MetaTensor) else ""
