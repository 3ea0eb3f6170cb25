"""The chain of batched transforms of a training."""

from __future__ import annotations

import math

import torch
from monai.transforms import Compose, Lambdad
from torch import Tensor

from experiments.recipes import Recipe
from unetpipe.transforms.batched import RandBatchd
from unetpipe.transforms.batched_grey import (
    RandBatchBlur,
    RandBatchGrey,
    RandBatchGreyValues,
    RandBatchNoise,
    RandBatchRounding,
    RandBatchShading,
)
from unetpipe.transforms.batched_tiles import RandBatchTilesd
from unetpipe.transforms.batched_view import RandBatchFieldOfViewd
from unetpipe.transforms.normalize_bright import COMPRESSION


def augmentation(recipe: Recipe, tile: int, output: int, seed: int) -> Compose:
    """Return the chain for items of :meth:`experiments.device_frames.DeviceFrames.batch`.

    Parameters
    ----------
    recipe : Recipe
        The amounts.
    tile, output : int
        Sides of the network's input and output in pixels.
    seed : int
        Of all draws.
    """
    colour = recipe.in_channels > 1
    steps: list = [
        RandBatchTilesd(
            ("image", "label", "weight"),
            tile,
            crops=(None, output, output),
            mode=("bilinear", "nearest", "bilinear"),
            nodes=recipe.nodes,
            magnitude=recipe.magnitude,
            rotate_range=math.pi,
            scale_range=0.3,
            zoom_range=recipe.zoom,
        )
    ]
    if colour:
        steps.append(RandBatchd("image", RandBatchGrey(0.2)))
    grey = [
        RandBatchShading(0.6, 0.7),
        RandBatchShading(1.5, 0.15, (2, 3)),
        RandBatchGreyValues(0.4, 0.5, 0.15 if colour else 0.0, (0.5, 2.0), channels=recipe.in_channels),
        RandBatchBlur((0.3, 2.0), recipe.blur),
        RandBatchNoise(recipe.noise, 0.6),
        RandBatchRounding(0.2, 0.3),
    ]
    values = [RandBatchd("image", transform) for transform in grey]
    view = RandBatchFieldOfViewd(prob=0.4)
    # amounts are those of the values that the network sees: before the compression, noise of 0.3 would hide dim nuclei
    steps += [view, Lambdad("image", compressed), *values] if recipe.bright else [*values, view]
    chain = Compose(steps)
    chain.set_random_state(seed)
    return chain


def compressed(image: Tensor) -> Tensor:
    """Return the compression of ``NormalizeBrightd`` of a normalised image."""
    return torch.asinh(COMPRESSION * image)
