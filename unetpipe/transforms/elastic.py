"""Elastic deformation as in the U-Net paper (section 3.1), with rotation, scale, shift and flip in one resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.utils import ensure_tuple_rep
from torch import Tensor

from unetpipe.transforms.elastic_grid import RandElasticGrid, centred_coordinates


class RandElastic2Dd(Randomizable, MapTransform):
    """Deform, rotate, scale, shift and flip all keys alike, in one resampling.

    Drop-in beside ``monai.transforms.Rand2DElasticd``: the arguments of that name mean the same.

    Parameters
    ----------
    keys : str or sequence of str
        Arrays (C, H, W) of one height and width: image, label, weight, known.
    spacing, magnitude_range, rotate_range, shear_range, translate_range, scale_range, flip_prob
        See :class:`RandElasticGrid`.
    spatial_size : int or (int, int), optional
        Output size in pixels, centred on the input; by default the input's.
    prob : float
        Probability of deforming; otherwise the centre (H, W) is cut out as it is.
    mode : str or sequence of str
        "bilinear", "nearest" or "bicubic", for each key. Labels want "nearest".
    padding_mode : str
        Outside the input: "reflection" (mirrored), "border" or "zeros".
    device : torch.device or str, optional
        Where to resample; by default where the first key's array lives.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spacing: float | Sequence[float] | None = None,
        magnitude_range: tuple[float, float] = (10.0, 10.0),
        spatial_size: int | Sequence[int] | None = None,
        prob: float = 1.0,
        rotate_range: Any = None,
        shear_range: Any = None,
        translate_range: Any = None,
        scale_range: Any = None,
        mode: str | Sequence[str] = "bilinear",
        padding_mode: str = "reflection",
        device: torch.device | str | None = None,
        flip_prob: float = 0.5,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.grid = RandElasticGrid(
            spacing, magnitude_range, rotate_range, shear_range, translate_range, scale_range, flip_prob
        )
        self.spatial_size = None if spatial_size is None else ensure_tuple_rep(spatial_size, 2)
        self.prob = prob
        self.mode = ensure_tuple_rep(mode, len(self.keys))
        self.padding_mode = padding_mode
        self.device = device

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandElastic2Dd:
        """Set the random state, also of the grid."""
        super().set_random_state(seed, state)
        self.grid.set_random_state(state=self.R)
        return self

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with every key resampled; dtypes and meta data are kept."""
        item = dict(data)
        present = list(self.key_iterator(item, self.mode))
        if not present:
            return item
        arrays = {key: _plain_tensor(item[key]) for key, _ in present}
        source = _common_size(arrays)
        device = self.device or arrays[present[0][0]].device
        size = self.spatial_size or source
        if self.R.random_sample() < self.prob:
            self.grid.randomize(size)
            coordinates = self.grid(size, device)
        else:
            coordinates = centred_coordinates(size, device)
        grid = sampling_grid(coordinates, source)
        for mode in dict.fromkeys(mode for _, mode in present):
            keys = [key for key, key_mode in present if key_mode == mode]
            resampled = resample([arrays[key] for key in keys], grid, mode, self.padding_mode)
            for key, tensor in zip(keys, resampled, strict=True):
                item[key] = (
                    MetaTensor(tensor).copy_meta_from(item[key]) if isinstance(item[key], MetaTensor) else tensor
                )
        return item


class RandElastic2D(Randomizable):
    """Array form of :class:`RandElastic2Dd`, for one (C, H, W) array; the arguments are the same but for keys."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.transform = RandElastic2Dd("image", *args, **kwargs)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandElastic2D:
        """Set the random state."""
        self.transform.set_random_state(seed, state)
        return self

    def __call__(self, image: Any) -> Tensor:
        """Return the resampled (C, H', W') tensor."""
        return self.transform({"image": image})["image"]


def sampling_grid(coordinates: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``coordinates`` (H', W', 2) in an image of ``size`` as ``grid_sample`` wants them: (x, y) in −1 … 1."""
    half_y, half_x = (max(side - 1, 1) / 2 for side in size)
    return torch.stack([coordinates[..., 1] / half_x, coordinates[..., 0] / half_y], dim=-1)


def resample(arrays: Sequence[Tensor], grid: Tensor, mode: str, padding_mode: str) -> list[Tensor]:
    """Sample (C, H, W) arrays of one size in one call, by a grid (H', W', 2) of :func:`sampling_grid`."""
    stacked = torch.cat([array.to(grid.device, torch.float32) for array in arrays])
    sampled = F.grid_sample(stacked[None], grid[None], mode=mode, padding_mode=padding_mode, align_corners=True)[0]
    parts = sampled.split([array.shape[0] for array in arrays])
    return [
        part if array.dtype.is_floating_point else part.round().to(array.dtype)
        for part, array in zip(parts, arrays, strict=True)
    ]


def _plain_tensor(array: Any) -> Tensor:
    tensor = torch.as_tensor(array)
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor


def _common_size(arrays: Mapping[Any, Tensor]) -> tuple[int, int]:
    """Return the height and width that (C, H, W) arrays have in common."""
    sizes = {(array.shape[-2], array.shape[-1]) for array in arrays.values()}
    if len(sizes) != 1:
        shapes = [tuple(array.shape) for array in arrays.values()]
        raise ValueError(f"All keys must have one height and width, not {shapes}.")
    return sizes.pop()
