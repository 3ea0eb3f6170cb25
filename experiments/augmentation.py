"""The chain of batched transforms of a training."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from monai.transforms import Compose, Lambdad, MapTransform, Randomizable, Transform
from torch import Tensor

from experiments.recipes import Recipe
from unetpipe.transforms.batched import RandBatch, RandBatchd
from unetpipe.transforms.batched_grey import (
    RandBatchBlur,
    RandBatchGrey,
    RandBatchGreyValues,
    RandBatchNoise,
    RandBatchRounding,
    RandBatchShading,
)
from unetpipe.transforms.batched_tiles import RandBatchTilesd
from unetpipe.transforms.batched_view import SMALLEST_DEVIATION, RandBatchFieldOfViewd
from unetpipe.transforms.normalize_bright import NormalizeBrightd


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
    steps: list = [SameMomentsd("image", of_frames(recipe))] if recipe.alike else []
    steps.append(
        RandBatchTilesd(
            ("image", "label", "weight"),
            tile,
            crops=(None, output, output),
            mode=("bilinear", "nearest", "bilinear"),
            nodes=recipe.nodes,
            magnitude=recipe.magnitude,
            rotate_range=math.pi,
            scale_range=recipe.stretch,
            zoom_range=recipe.zoom,
            prob=recipe.deformed,
        )
    )
    if colour:
        steps.append(RandBatchd("image", RandBatchGrey(0.2)))
    steps += compressed_grey(recipe) if recipe.bright else linear_grey(recipe)
    chain = Compose(steps)
    chain.set_random_state(seed)
    return chain


def linear_grey(recipe: Recipe) -> list[Transform]:
    """Return the changes of grey values for ``NormalizeIntensityd``, and other fields of view."""
    share, colour = recipe.grey, 0.15 if recipe.in_channels > 1 else 0.0
    grey = [
        RandBatchShading(0.6, 0.7 * share),
        RandBatchShading(1.5, 0.15 * share, (2, 3)),
        RandBatchGreyValues(0.4, 0.5, colour, (0.5, 2.0), 0.5 * share, recipe.in_channels),
        RandBatchBlur((0.3, 2.0), recipe.blur * share),
        RandBatchNoise(recipe.noise, 0.6 * share),
        RandBatchRounding(0.2, 0.3 * share),
    ]
    return [*(RandBatchd("image", transform) for transform in grey), RandBatchFieldOfViewd(prob=0.4)]


def of_frames(recipe: Recipe) -> list[RandBatch]:
    """Return the changes that depend on the whole frame: a gamma makes dim cells dimmer beside bright ones."""
    return [
        RandBatchShading(0.5, 0.25 * recipe.grey),
        RandBatchGreyValues(0.0, 0.0, 0.0, (0.5, 2.0), 0.5 * recipe.grey, recipe.in_channels),
    ]


def compressed_grey(recipe: Recipe) -> list[Transform]:
    """Return the changes of grey values for ``NormalizeBrightd``, its compression among them, and other fields of view.

    A blur and a gamma are those of the image, so they come before the compression. Noise and shading of the image are
    small: of large ones dim cells would not be seen any more. Larger ones are those of the compressed values.
    """
    share, colour = recipe.grey, 0.15 if recipe.in_channels > 1 else 0.0
    of_image = [
        *([] if recipe.alike else of_frames(recipe)),
        RandBatchBlur((0.3, 2.0), recipe.blur * share),
        RandBatchNoise(0.3, 0.25 * share),
    ]
    of_values = [
        RandBatchShading(0.5, 0.5 * share),
        RandBatchShading(1.5, 0.1 * share, (2, 3)),
        RandBatchGreyValues(0.3, 0.4, colour, (0.7, 1.5), 0.3 * share, recipe.in_channels),
        RandBatchNoise(recipe.noise, 0.4 * share),
        RandBatchRounding(0.2, 0.2 * share),
    ]
    return [
        SameMomentsd("image", of_image),
        RandBatchFieldOfViewd(prob=0.4),
        Lambdad("image", NormalizeBrightd.compressed),
        *(RandBatchd("image", transform) for transform in of_values),
    ]


class SameMomentsd(Randomizable, MapTransform):
    """Apply batched transforms, then give each image its old mean and deviation, as a normalised image has them.

    Parameters
    ----------
    keys : str
        Key of the images (B, C, H, W).
    transforms : sequence of RandBatch
        What changes the images.
    """

    takes_batches = True

    def __init__(self, keys: str, transforms: Sequence[RandBatch]) -> None:
        super().__init__(keys)
        self.transforms = transforms

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> SameMomentsd:
        """Give all transforms one random state."""
        super().set_random_state(seed, state)
        for transform in self.transforms:
            transform.set_random_state(state=self.R)
        return self

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        """Return the item with the images changed."""
        item = dict(data)
        for key in self.key_iterator(item):
            image = item[key].float()
            deviation, mean = torch.std_mean(image, (2, 3), correction=0, keepdim=True)
            for transform in self.transforms:
                image = transform(image)
            new_deviation, new_mean = torch.std_mean(image, (2, 3), correction=0, keepdim=True)
            item[key] = (image - new_mean) / new_deviation.clamp(min=SMALLEST_DEVIATION) * deviation + mean
        return item
