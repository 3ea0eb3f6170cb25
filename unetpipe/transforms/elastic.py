"""Deform images elastically as in the U-Net paper (section 3.1), and rotate, scale, shift and flip in the same step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import AffineGrid, MapTransform, RandAffineGrid, Randomizable
from monai.utils import convert_to_dst_type, ensure_tuple_rep
from torch import Tensor

from unetpipe.transforms.batched import to_device


class RandElastic2Dd(Randomizable, MapTransform):
    """Deform, rotate, scale, shift and flip all keys in the same way, with one resampling.

    It can replace ``monai.transforms.Rand2DElasticd``: arguments of the same name mean the same. It also takes whole
    batches, where they live: a batch of n gives the same as n single samples in a row.

    Parameters
    ----------
    keys : str or sequence of str
        Arrays (C, H, W), or batches (B, C, H, W), of one height and width: image, label, weight, known.
    spacing, magnitude_range, rotate_range, shear_range, translate_range, scale_range, flip_prob
        See :class:`RandElasticGrid`.
    spatial_size : int or (int, int), optional
        Output size in pixels, centred on the input; by default the input's.
    prob : float
        Probability of the deformation; otherwise the centre (H, W) is cut out unchanged.
    mode : str or sequence of str
        "bilinear", "nearest" or "bicubic", for each key. Use "nearest" for labels.
    padding_mode : str
        What lies outside the input: "reflection" (mirrored), "border" or "zeros".
    device : torch.device or str, optional
        Where to resample; by default on the device of the first key.
    """

    takes_batches = True

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
        """Return the item with every key resampled. Dtypes and meta data stay."""
        item = dict(data)
        present = list(self.key_iterator(item, self.mode))
        if not present:
            return item
        arrays = {key: _plain_tensor(item[key]) for key, _ in present}
        source = _common_size(arrays)
        first = arrays[present[0][0]]
        device = torch.device(self.device or first.device)
        size = self.spatial_size or source
        single = first.ndim == 3
        grids = self._coordinates(size, 1 if single else len(first), device)
        grid = sampling_grid(grids, source)
        for mode in dict.fromkeys(mode for _, mode in present):
            keys = [key for key, key_mode in present if key_mode == mode]
            batches = [arrays[key][None] if single else arrays[key] for key in keys]
            for key, batch in zip(keys, resample(batches, grid, mode, self.padding_mode), strict=True):
                tensor, like = batch[0] if single else batch, torch.as_tensor(item[key])
                item[key] = convert_to_dst_type(tensor, like, tensor.dtype, device=tensor.device)[0]
        return item

    def _coordinates(self, size: tuple[int, int], count: int, device: torch.device) -> Tensor:
        """Draw for each sample, one after another; return the coordinates (B, H, W, 2)."""
        terms = []
        for _ in range(count):
            if self.R.random_sample() < self.prob:
                self.grid.randomize(size)
                terms.append(self.grid.terms(size))
            else:
                terms.append(identity_terms(*self.grid.node_counts(size)))
        return field(to_device(torch.stack(terms), device), size)


class RandElastic2D(Randomizable):
    """Array form of :class:`RandElastic2Dd`, for one array (C, H, W); the arguments are the same, without keys."""

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
    """Convert ``coordinates`` (…, H', W', 2) in an image of ``size`` to those of ``grid_sample``: (x, y) in −1 … 1."""
    half_y, half_x = (max(side - 1, 1) / 2 for side in size)
    return torch.stack([coordinates[..., 1] / half_x, coordinates[..., 0] / half_y], dim=-1)


def resample(arrays: Sequence[Tensor], grid: Tensor, mode: str, padding_mode: str) -> list[Tensor]:
    """Sample arrays (B, C, H, W) of one size in one call, with grids (B, H', W', 2) of :func:`sampling_grid`."""
    stacked = torch.cat([array.to(grid.device, torch.float32) for array in arrays], dim=1)
    sampled = F.grid_sample(stacked, grid, mode=mode, padding_mode=padding_mode, align_corners=True)
    parts = sampled.split([array.shape[1] for array in arrays], dim=1)
    return [
        part if array.dtype.is_floating_point else part.round().to(array.dtype)
        for part, array in zip(parts, arrays, strict=True)
    ]


def _plain_tensor(array: Any) -> Tensor:
    tensor = torch.as_tensor(array)
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor


def _common_size(arrays: Mapping[Any, Tensor]) -> tuple[int, int]:
    """Return the height and width of arrays (C, H, W), which must be the same."""
    sizes = {(array.shape[-2], array.shape[-1]) for array in arrays.values()}
    if len(sizes) != 1:
        shapes = [tuple(array.shape) for array in arrays.values()]
        raise ValueError(f"All keys must have the same height and width, got {shapes}.")
    return sizes.pop()


class RandElasticGrid(Randomizable):
    """Draw the position in the input for each pixel of an output (H, W).

    Random displacement vectors on a coarse grid (Gaussian; 3×3 nodes and a standard deviation of 10 px in the paper)
    are interpolated bicubically to a displacement for each pixel. With a magnitude of 0 this is the identity, unlike
    MONAI's ``Rand2DElastic``, which interpolates absolute coordinates.

    Parameters
    ----------
    spacing : float or (float, float), optional
        Distance of the nodes in output pixels, rounded so that the outer nodes lie on the border of the output. By
        default half of the side, which gives 3×3 nodes.
    magnitude_range : (float, float)
        Range from which the standard deviation at the nodes, in pixels, is drawn uniformly.
    rotate_range, shear_range, translate_range, scale_range
        As in ``monai.transforms.Rand2DElastic``: in radians, shear factor, in pixels, and relative to 1.
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
        """Return the number of nodes along each side of an output (H, W)."""
        if self.spacing is None:
            return 3, 3
        rows, columns = (max(round((side - 1) / gap), 1) + 1 for side, gap in zip(size, self.spacing, strict=True))
        return rows, columns

    def randomize(self, size: tuple[int, int]) -> None:
        """Draw ``nodes`` (2, rows, columns), displacements (y, x) in pixels, then the affine part, then ``flips``."""
        magnitude = self.R.uniform(*self.magnitude_range)
        nodes = magnitude * self.R.normal(size=(2, *self.node_counts(size)))
        self.nodes = torch.from_numpy(nodes.astype(np.float32))
        self.affine.randomize()
        self.flips = [bool(self.R.random_sample() < self.flip_prob) for _ in range(2)]

    def __call__(self, size: tuple[int, int], device: torch.device | str | None = None) -> Tensor:
        """Return the drawn coordinates (H, W, 2), float32: (y, x) in pixels from the centre of the image."""
        return field(self.terms(size)[None].to(device), size)[0]

    def terms(self, size: tuple[int, int]) -> Tensor:
        """Return what was drawn, (2, rows + 2, columns + 2), on the CPU, as :func:`field` takes it."""
        affine = self._affine_matrix(size)
        rows, columns = self.nodes.shape[1:]
        signs = [-1.0 if flip else 1.0 for flip in self.flips]
        terms = torch.zeros(2, rows + 2, columns + 2)
        terms[:, :rows, :columns] = torch.tensordot(affine[:, :2], self.nodes, dims=1)
        terms[:, rows, columns + 1] = affine[:, 0] * signs[0]
        terms[:, rows + 1, columns] = affine[:, 1] * signs[1]
        terms[:, rows + 1, columns + 1] = affine[:, 2]
        return terms

    def _affine_matrix(self, size: tuple[int, int]) -> Tensor:
        """Return the drawn (2, 3) matrix that acts on (y, x, 1)."""
        drawn: dict[str, Any] = {
            "rotate_params": self.affine.rotate_params,
            "shear_params": self.affine.shear_params,
            "translate_params": self.affine.translate_params,
            "scale_params": self.affine.scale_params,
        }
        if not any(drawn.values()):
            return torch.eye(2, 3)
        _, matrix = AffineGrid(**drawn)(spatial_size=size, lazy=True)
        return torch.as_tensor(matrix, dtype=torch.float32)[:2]


def field(terms: Tensor, size: tuple[int, int]) -> Tensor:
    """Return coordinates (B, H, W, 2) from their terms (B, 2, rows + 2, columns + 2), all on one device.

    The coordinates are linear in the displacements of the nodes, and in y, x and 1: the last two rows and columns of
    the terms belong to the position and to 1.
    """
    rows, columns = terms.shape[-2:]
    left, right = _basis(size[0], rows - 2, terms.device), _basis(size[1], columns - 2, terms.device)
    return (left @ terms @ right.T).movedim(1, -1)


def identity_terms(rows: int, columns: int) -> Tensor:
    """Return the terms (2, rows + 2, columns + 2) of :func:`field` that move nothing."""
    terms = torch.zeros(2, rows + 2, columns + 2)
    terms[0, rows, columns + 1] = terms[1, rows + 1, columns] = 1
    return terms


@lru_cache(maxsize=16)
def _basis(side: int, count: int, device: torch.device) -> Tensor:
    """Return (side, count + 2): the weight of each node in each pixel, the position of the pixel, and 1."""
    position = centred_axis(side, device)
    return torch.column_stack([interpolation_matrix(count, side, device), position, torch.ones_like(position)])


def interpolation_matrix(count: int, side: int, device: torch.device | str | None = None) -> Tensor:
    """Return the matrix (side, count) that interpolates ``count`` nodes bicubically; outer nodes lie on the border."""
    unit = torch.eye(count, device=device)[None, None]
    return F.interpolate(unit, size=(side, count), mode="bicubic", align_corners=True)[0, 0]


def centred_axis(side: int, device: torch.device | str | None = None) -> Tensor:
    """Return the position of each pixel of a side, in pixels from the centre: (side,), float32.

    Examples
    --------
    >>> centred_axis(4)
    tensor([-1.5000, -0.5000,  0.5000,  1.5000])
    """
    return torch.arange(side, dtype=torch.float32, device=device) - (side - 1) / 2


def centred_coordinates(size: tuple[int, int], device: torch.device | str | None = None) -> Tensor:
    """Return the coordinates of the identity: (H, W, 2), (y, x) of each pixel, in pixels from the centre."""
    return torch.stack(torch.meshgrid(*(centred_axis(side, device) for side in size), indexing="ij"), dim=-1)
