"""What the batched transforms have in common: numbers drawn for each sample, applied to a whole batch at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable, Transform
from torch import Tensor

SEEDS = 2**24  # a seed travels among float32 numbers, which hold each integer below this


class RandBatch(Randomizable, Transform):
    """Base of random transforms of images (B, C, H, W), or of one image (C, H, W), where they live.

    The numbers of one sample are drawn together, sample after sample. So a batch of n is the same as n single samples
    in a row. They travel to the device in one copy that waits for nothing.
    """

    @abstractmethod
    def draw(self) -> Sequence[float]:
        """Draw the numbers of one sample; their count is always the same."""

    @abstractmethod
    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Return the changed images (B, C, H, W), float32, by the drawn numbers (B, n)."""

    def randomize(self, data: Any) -> None:
        """Draw for as many samples as ``data`` says (int)."""
        self.rows = np.array([self.draw() for _ in range(int(data))], np.float32)

    def __call__(self, images: Tensor, randomize: bool = True) -> Tensor:
        """Return the changed images.

        Parameters
        ----------
        images : Tensor
            (B, C, H, W) or (C, H, W), float.
        randomize : bool
            False applies what was drawn before.
        """
        batch = images if images.ndim == 4 else images[None]
        if randomize:
            self.randomize(len(batch))
        changed = self.apply(batch.float(), to_device(self.rows, batch.device))
        return changed if images.ndim == 4 else changed[0]


class RandBatchd(Randomizable, MapTransform):
    """Apply a batched transform of images to keys of an item.

    Parameters
    ----------
    keys : str or sequence of str
        All of them are changed by the same draws.
    transform : RandBatch
        The array form.
    """

    def __init__(self, keys: KeysCollection, transform: RandBatch, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.transform = transform

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandBatchd:
        """Set the random state, also of the array form."""
        super().set_random_state(seed, state)
        self.transform.set_random_state(state=self.R)
        return self

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with each of ``keys`` changed."""
        item = dict(data)
        for number, key in enumerate(self.key_iterator(item)):
            item[key] = self.transform(item[key], randomize=number == 0)
        return item


def to_device(rows: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to the device without waiting for the work that is queued there."""
    tensor = torch.from_numpy(rows)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def per_sample(numbers: Tensor) -> Tensor:
    """Return (B,) as (B, 1, 1, 1), to be multiplied with images."""
    return numbers[:, None, None, None]


def seeded_noise(like: Tensor, seeds: Sequence[int]) -> Tensor:
    """Return Gaussian noise of deviation 1 as large as images (B, C, H, W), each sample by its own seed."""
    generator = torch.Generator(like.device)
    noise = torch.empty_like(like)
    for sample, seed in zip(noise, seeds, strict=True):
        sample.normal_(generator=generator.manual_seed(int(seed)))
    return noise
