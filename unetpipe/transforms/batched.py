"""What the batched transforms have in common: numbers drawn for each sample, applied to a whole batch at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable, Transform
from torch import Tensor

from unetpipe.errors import InputError

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
        plain = plain_tensor(images)
        batch = plain if plain.ndim == 4 else plain[None]
        if randomize:
            self.randomize(len(batch))
        changed = self.apply(batch.float(), to_device(self.rows, batch.device))
        return changed if plain.ndim == 4 else changed[0]


class RandBatchd(Randomizable, MapTransform):
    """Apply a batched transform of images to keys of an item, which may be one sample or a batch.

    Parameters
    ----------
    keys : str or sequence of str
        All of them are changed by the same draws.
    transform : RandBatch
        The array form.
    """

    takes_batches = True

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


class CropCentred(MapTransform):
    """Cut out the centre of keys of an item, (C, H, W) or a batch (B, C, H, W). The result is a view.

    Parameters
    ----------
    keys : str or sequence of str
        Label and weight, of which the loss sees what the network returns.
    side : int
        Height and width of the centre in pixels, at most those of the keys.

    Examples
    --------
    >>> CropCentred("label", 2)({"label": torch.arange(16).reshape(1, 4, 4)})["label"]
    tensor([[[ 5,  6],
             [ 9, 10]]])
    """

    takes_batches = True

    def __init__(self, keys: KeysCollection, side: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.side = side

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the centre of each of ``keys``."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = centre(item[key], self.side)
        return item


def apply_to_batch(transforms: Sequence[Any], items: Sequence[Mapping[Any, Tensor]]) -> dict[Any, Tensor]:
    """Apply the random transforms of a training to several samples, and return them as one batch.

    Transforms that take batches (their ``takes_batches`` is true) get all samples at once; other transforms of MONAI
    get one sample after another. The draws are those of the samples in a row.

    Parameters
    ----------
    transforms : sequence of transform
        Dictionary transforms.
    items : sequence of mapping
        Tensors (C, H, W) on one device; after the transforms they must be alike in shape.

    Returns
    -------
    dict
        Tensors (B, C, H, W); those of floats are float32.

    Raises
    ------
    InputError
        If a transform makes several samples of one, or samples of different sizes meet in a batch.

    Examples
    --------
    >>> items = [{"label": torch.zeros(1, 4, 4)}, {"label": torch.zeros(1, 6, 8)}]
    >>> apply_to_batch([CropCentred("label", 2)], items)["label"].shape
    torch.Size([2, 1, 2, 2])
    """
    samples: list[Any] = list(items)
    batch: dict[Any, Tensor] | None = None
    for transform in transforms:
        if batch is None and getattr(transform, "takes_batches", False) and _alike(samples):
            batch = _stacked(samples)
        if batch is not None and getattr(transform, "takes_batches", False):
            batch = transform(batch)
            continue
        if batch is not None:
            samples, batch = _single(batch), None
        samples = [transform(sample) for sample in samples]
        if not all(isinstance(sample, Mapping) for sample in samples):
            raise InputError(
                f"{type(transform).__name__} makes several samples of one, which a batch on the device cannot hold; "
                "set device_batches=false."
            )
    batch = _stacked(samples) if batch is None else batch
    return {key: value.float() if value.is_floating_point() else value for key, value in batch.items()}


def _alike(samples: Sequence[Mapping[Any, Tensor]]) -> bool:
    """Return whether each key has one shape."""
    first = samples[0]
    return all(sample[key].shape == first[key].shape for sample in samples for key in first)


def _stacked(samples: Sequence[Mapping[Any, Tensor]]) -> dict[Any, Tensor]:
    if not _alike(samples):
        sizes = sorted({tuple(sample[key].shape[-2:]) for sample in samples for key in sample})
        raise InputError(
            f"Samples of {sizes} pixels cannot form one batch; cut tiles of one size, or set batch_size=1."
        )
    return {key: torch.stack([plain_tensor(sample[key]) for sample in samples]) for key in samples[0]}


def _single(batch: Mapping[Any, Tensor]) -> list[dict[Any, Tensor]]:
    count = len(next(iter(batch.values())))
    return [{key: value[number] for key, value in batch.items()} for number in range(count)]


def plain_tensor(tensor: Tensor) -> Tensor:
    """Return a tensor without meta data."""
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor


def centre(array: Tensor, side: int | None) -> Tensor:
    """Return the centre of (…, H, W) with this side; all of it for None."""
    if side is None:
        return array
    top, left = (array.shape[-2] - side) // 2, (array.shape[-1] - side) // 2
    return array[..., top : top + side, left : left + side]


def to_device(rows: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """Copy an array to the device without waiting for the work that is queued there."""
    tensor = torch.as_tensor(rows)
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
