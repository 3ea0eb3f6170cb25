"""Scaling of images whose pixel size differs from that of the training data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from monai.inferers import Inferer
from torch import Tensor

from unetpipe.errors import InputError

logger = logging.getLogger(__name__)

TOLERATED = 1.25  # training varies the scale by a fifth; beyond that cells look too large or too small
LARGEST_FACTOR = 20  # beyond it, the two pixel sizes have different units


class RescaleInferer(Inferer):
    """Scale the images, run another inferer, and scale its result back to the images' own size.

    Parameters
    ----------
    inferer : Inferer
        Computes a result of its input's size.
    factor : float
        Height and width are multiplied by it before inference; 1 changes nothing.
    """

    def __init__(self, inferer: Inferer, factor: float = 1.0) -> None:
        super().__init__()
        self.inferer = inferer
        self.factor = factor

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return (B, K, H, W) for images (B, C, H, W)."""
        if self.factor == 1:
            return self.inferer(inputs, network, *args, **kwargs)
        size = inputs.shape[-2:]
        scaled_size = [max(1, round(side * self.factor)) for side in size]
        scaled = F.interpolate(inputs, scaled_size, mode="bilinear", align_corners=False, antialias=True)
        result = self.inferer(scaled, network, *args, **kwargs)
        return F.interpolate(result, size, mode="bilinear", align_corners=False, antialias=True)


def scale_factor(image_pixel_size: float | None, pixel_size: float | None, rescale: bool = False) -> float:
    """Return the factor that scales images to the pixel size of the training data.

    Parameters
    ----------
    image_pixel_size, pixel_size : float, optional
        Pixel sizes of the images and of the training data, in the same unit; None if not known.
    rescale : bool
        Whether to rescale. False returns 1 and logs a warning if the two differ by more than a quarter.

    Raises
    ------
    InputError
        If ``rescale`` is true and a pixel size is not known, or they differ by more than a factor of 20.
    """
    if image_pixel_size is None or pixel_size is None:
        if rescale:
            whose = "the network was trained at" if pixel_size is None else "the images have"
            raise InputError(f"Rescaling needs the pixel size that {whose}, which is not known.")
        return 1.0
    factor = image_pixel_size / pixel_size
    if rescale:
        if max(factor, 1 / factor) > LARGEST_FACTOR:
            raise InputError(
                f"Pixels of {image_pixel_size:g}, where the model has {pixel_size:g}, would scale the images by "
                f"{factor:.3g}; give the pixel size in the unit of the model, such as micrometres."
            )
        return factor
    if max(factor, 1 / factor) > TOLERATED:
        logger.warning(
            "The images have a pixel size of %g, the network was trained at %g; use rescale=True or "
            "--rescale to scale them by %.2f.",
            image_pixel_size,
            pixel_size,
            factor,
        )
    return 1.0
