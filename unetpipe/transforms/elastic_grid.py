"""Where each pixel of an elastically deformed image comes from: two small matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.transforms import AffineGrid, RandAffineGrid, Randomizable
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
        affine = self._affine_matrix(size).to(device)
        rows, columns = self.nodes.shape[1:]
        left, right = (
            self._axis(side, count, flip, device)
            for side, count, flip in zip(size, (rows, columns), self.flips, strict=True)
        )
        # what is in the middle is linear in the displacements of the nodes, in y, in x and in 1
        middle = torch.zeros(2, rows + 2, columns + 2, device=device)
        middle[:, :rows, :columns] = torch.tensordot(affine[:, :2], self.nodes.to(device), dims=1)
        middle[:, rows, columns + 1] = affine[:, 0]
        middle[:, rows + 1, columns] = affine[:, 1]
        middle[:, rows + 1, columns + 1] = affine[:, 2]
        return (left @ middle @ right.T).movedim(0, -1)

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

    @staticmethod
    def _axis(side: int, count: int, flip: bool, device: torch.device | str | None) -> Tensor:
        """Return (side, count + 2): what each node contributes to each pixel, the pixel's position, and 1."""
        position = centred_axis(side, device)
        columns = [
            interpolation_matrix(count, side, device),
            -position if flip else position,
            torch.ones_like(position),
        ]
        return torch.column_stack(columns)


def interpolation_matrix(count: int, side: int, device: torch.device | str | None = None) -> Tensor:
    """Return (side, count): bicubic interpolation of ``count`` nodes, the outer ones on the border, as a product."""
    unit = torch.eye(count, device=device)[None, None]
    return F.interpolate(unit, size=(side, count), mode="bicubic", align_corners=True)[0, 0]


def centred_axis(side: int, device: torch.device | str | None = None) -> Tensor:
    """Return the position of each pixel of a side, from the centre, in pixels: (side,), float32."""
    return torch.arange(side, dtype=torch.float32, device=device) - (side - 1) / 2


def centred_coordinates(size: tuple[int, int], device: torch.device | str | None = None) -> Tensor:
    """Return the identity: (H, W, 2), (y, x) of each output pixel from the centre, in pixels."""
    return torch.stack(torch.meshgrid(*(centred_axis(side, device) for side in size), indexing="ij"), dim=-1)
