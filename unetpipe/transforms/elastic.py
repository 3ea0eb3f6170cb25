"""Elastic deformation as in the U-Net paper (section 3.1), with rotation, scale, shift and flip in one resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import AffineGrid, MapTransform, RandAffineGrid, Randomizable
from monai.utils import ensure_tuple_rep
from torch import Tensor


class RandElasticGrid(Randomizable):
    """Draw where each pixel of a (H, W) output comes from.

    Random displacement vectors on a coarse grid (Gaussian; 3×3 nodes and a standard deviation
    of 10 px in the paper) become per-pixel displacements by bicubic interpolation. Unlike MONAI's
    ``Rand2DElastic``, which interpolates absolute coordinates, this is the identity at magnitude 0.

    Parameters
    ----------
    spacing : float or (float, float), optional
        Distance of the nodes in output pixels, rounded so that nodes stand on the output's
        border. By default half of the side: 3×3 nodes.
    magnitude_range : (float, float)
        The standard deviation at the nodes, in pixels, is drawn uniformly from this range.
    rotate_range, shear_range, translate_range, scale_range
        As in ``monai.transforms.Rand2DElastic``: radians, pixels, and relative to 1.
    flip_prob : float
        Probability of a flip along each of the two axes.
    """

    def __init__(
        self,
        spacing: float | Sequence[float] | None = None,
        magnitude_range: tuple[float, float] = (10.0, 10.0),
        rotate_range: Any = None,
        shear_range: Any = None,
        translate_range: Any = None,
        scale_range: Any = None,
        flip_prob: float = 0.5,
    ) -> None:
        self.spacing = None if spacing is None else ensure_tuple_rep(spacing, 2)
        self.magnitude_range = magnitude_range
        self.affine = RandAffineGrid(rotate_range, shear_range, translate_range, scale_range)
        self.flip_prob = flip_prob

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandElasticGrid:
        """Set the random state, also of the affine part."""
        super().set_random_state(seed, state)
        self.affine.set_random_state(state=self.R)
        return self

    def node_counts(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the number of nodes along each side of a (H, W) output."""
        if self.spacing is None:
            return 3, 3
        rows, columns = (max(round((side - 1) / gap), 1) + 1 for side, gap in zip(size, self.spacing, strict=True))
        return rows, columns

    def randomize(self, size: tuple[int, int]) -> None:
        """Draw ``nodes`` (2, rows, columns): displacements (y, x) in pixels; the affine part; ``flips``."""
        magnitude = self.R.uniform(*self.magnitude_range)
        nodes = magnitude * self.R.normal(size=(2, *self.node_counts(size)))
        self.nodes = torch.from_numpy(nodes.astype(np.float32))
        self.affine.randomize()
        self.flips = [bool(self.R.random_sample() < self.flip_prob) for _ in range(2)]

    def __call__(self, size: tuple[int, int], device: torch.device | str | None = None) -> Tensor:
        """Return the drawn coordinates: (H, W, 2), float32, (y, x) in pixels from the image's centre."""
        displacement = upsample_nodes(self.nodes.to(device), size)
        axes = [
            torch.arange(side, device=device) - (side - 1) / 2
            if not flip
            else (side - 1) / 2 - torch.arange(side, device=device)
            for side, flip in zip(size, self.flips, strict=True)
        ]
        coordinates = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) + displacement.movedim(0, -1)
        if not any(
            (
                self.affine.rotate_params,
                self.affine.shear_params,
                self.affine.translate_params,
                self.affine.scale_params,
            )
        ):
            return coordinates
        _, matrix = AffineGrid(
            rotate_params=self.affine.rotate_params,
            shear_params=self.affine.shear_params,
            translate_params=self.affine.translate_params,
            scale_params=self.affine.scale_params,
        )(spatial_size=size, lazy=True)
        matrix = torch.as_tensor(matrix, dtype=torch.float32, device=coordinates.device)
        return coordinates @ matrix[:2, :2].T + matrix[:2, 2]


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
        Where to resample.
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
        size = self.spatial_size or tuple(item[present[0][0]].shape[-2:])
        deform = self.R.random_sample() < self.prob
        if deform:
            self.grid.randomize(size)
            coordinates = self.grid(size, self.device)
        else:
            coordinates = centred_coordinates(size, self.device)
        for mode in dict.fromkeys(mode for _, mode in present):
            keys = [key for key, key_mode in present if key_mode == mode]
            resampled = resample([torch.as_tensor(item[key]) for key in keys], coordinates, mode, self.padding_mode)
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


def upsample_nodes(nodes: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate (C, rows, columns) bicubically to (C, H, W); the outer nodes stand on the corners.

    The interpolation is separable: a matrix product for each axis.
    """
    matrices = []
    for side, count in zip(size, nodes.shape[1:], strict=True):
        unit = torch.eye(count, dtype=nodes.dtype, device=nodes.device)[None, None]
        matrices.append(F.interpolate(unit, size=(side, count), mode="bicubic", align_corners=True)[0, 0])
    return matrices[0] @ nodes @ matrices[1].T


def centred_coordinates(size: tuple[int, int], device: torch.device | str | None = None) -> Tensor:
    """Return the identity: (H, W, 2), (y, x) of each output pixel from the centre, in pixels."""
    axes = [torch.arange(side, dtype=torch.float32, device=device) - (side - 1) / 2 for side in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def resample(arrays: Sequence[Tensor], coordinates: Tensor, mode: str, padding_mode: str) -> list[Tensor]:
    """Sample (C, H, W) arrays of one size at ``coordinates`` (H', W', 2), pixels from the centre, in one call."""
    if len({array.shape[-2:] for array in arrays}) != 1:
        raise ValueError(f"All keys must have one height and width, not {[tuple(array.shape) for array in arrays]}.")
    plain = [array.as_tensor() if isinstance(array, MetaTensor) else array for array in arrays]
    stacked = torch.cat([array.to(coordinates.device, torch.float32) for array in plain])
    half = torch.tensor([max(side - 1, 1) / 2 for side in stacked.shape[-2:]], device=coordinates.device)
    grid = (coordinates / half).flip(-1)[None]  # grid_sample wants (x, y) in −1 … 1
    sampled = F.grid_sample(stacked[None], grid, mode=mode, padding_mode=padding_mode, align_corners=True)[0]
    parts = sampled.split([array.shape[0] for array in plain])
    return [
        part if array.dtype.is_floating_point else part.round().to(array.dtype)
        for part, array in zip(parts, plain, strict=True)
    ]
