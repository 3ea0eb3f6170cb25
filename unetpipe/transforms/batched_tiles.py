"""Tiles of a batch of frames: crop, shift, rotation, scale, flip and elastic deformation in one resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable
from monai.utils import ensure_tuple_rep
from torch import Tensor

from unetpipe.transforms.batched import centre, to_device
from unetpipe.transforms.elastic import centred_axis, interpolation_matrix


class RandBatchTilesd(Randomizable, MapTransform):
    """Sample a random tile of each frame of a batch, all keys alike, one ``grid_sample`` for each mode.

    It draws from the same distributions as :class:`RandMirrorCropd` followed by :class:`RandElastic2Dd`, but no larger
    crop is made first: coordinates outside the frame are mirrored into it. With all ranges 0 it is a plain crop.

    Parameters
    ----------
    keys : str or sequence of str
        Frames (B, C, H, W), or one (C, H, W), of one height and width: image, label, weight.
    tile : int
        Side of the tiles in pixels.
    crops : sequence of (int or None), optional
        For each key the side of the centre that is kept; None keeps the tile. Labels want the network's output size.
    mode : str or sequence of str
        "bilinear" or "nearest", for each key.
    nodes : int
        Nodes of the coarse grid along each side (3 in the paper).
    magnitude : float
        Standard deviation of the displacements at the nodes, in pixels (10 in the paper).
    rotate_range : float
        Rotations are uniform in ± this, in radians.
    scale_range : float
        The factor of each axis is uniform in 1 ± this.
    zoom_range : float
        Both axes are scaled by the exponential of a uniform number in ± this as well.
    flip_prob : float
        Probability of a flip along each of the two axes.
    prob : float
        Share of the tiles that are turned, scaled and deformed. The others are only flipped, so they stay as sharp as
        the frame.
    window_key : str
        Key of (B, 4), integers: top, left, bottom and right of the part of each frame to sample from, as if it were the
        whole; mirrored at its border. Where the item has none, it is the whole frame.
    centre_key : str
        Key of (B, 2), integers: row and column of the pixel that the tile is centred on. It is random where they are
        negative, or the item has none.
    """

    takes_batches = True

    def __init__(
        self,
        keys: KeysCollection,
        tile: int,
        crops: Sequence[int | None] | None = None,
        mode: str | Sequence[str] = "bilinear",
        nodes: int = 3,
        magnitude: float = 10.0,
        rotate_range: float = 0.0,
        scale_range: float = 0.0,
        zoom_range: float = 0.0,
        flip_prob: float = 0.5,
        window_key: str = "window",
        centre_key: str = "centre",
        allow_missing_keys: bool = False,
        prob: float = 1.0,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.tile = tile
        self.crops = ensure_tuple_rep(None, len(self.keys)) if crops is None else tuple(crops)
        self.mode = ensure_tuple_rep(mode, len(self.keys))
        self.nodes = nodes
        self.magnitude = magnitude
        self.rotate_range = rotate_range
        self.scale_range = scale_range
        self.zoom_range = zoom_range
        self.flip_prob = flip_prob
        self.window_key = window_key
        self.centre_key = centre_key
        self.prob = prob

    def draw(self) -> list[float]:
        """Draw one sample: place of the centre (0 … 1), matrix from flipped tile to frame, displacements."""
        place = self.R.random_sample(2)
        angle = self.R.uniform(-self.rotate_range, self.rotate_range)
        scale = 1 + self.R.uniform(-self.scale_range, self.scale_range, 2)
        scale = scale * np.exp(self.R.uniform(-self.zoom_range, self.zoom_range))
        flip = np.where(self.R.random_sample(2) < self.flip_prob, -1, 1)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = rotation * scale
        moved = self.magnitude * self.R.normal(size=(2, self.nodes, self.nodes))
        displaced = np.tensordot(matrix, moved, axes=1)
        if self.prob < 1 and self.R.random_sample() >= self.prob:
            matrix, displaced = np.eye(2), np.zeros_like(displaced)
        return [*place, *(matrix * flip).ravel(), *displaced.ravel()]

    def randomize(self, data: Any) -> None:
        """Draw for as many samples as ``data`` says (int)."""
        self.rows = np.array([self.draw() for _ in range(int(data))], np.float32)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with a tile of each key: floats where the mode is bilinear, else the key's own dtype."""
        item = dict(data)
        present = list(self.key_iterator(item, self.mode, self.crops))
        single = item[present[0][0]].ndim == 3
        frames = {key: item[key][None] if single else item[key] for key, _, _ in present}
        first = frames[present[0][0]]
        count, (height, width) = len(first), first.shape[-2:]
        self.randomize(count)
        windows = item.get(self.window_key)
        if windows is None:
            windows = torch.tensor([0, 0, height, width], device=first.device).expand(count, 4)
        grid = self._grid(windows.reshape(count, 4), (height, width), item.get(self.centre_key))
        for mode in dict.fromkeys(mode for _, mode, _ in present):
            keys = [(key, crop) for key, key_mode, crop in present if key_mode == mode]
            stacked = torch.cat([frames[key].float() for key, _ in keys], dim=1)
            # coordinates are mirrored already: nothing is outside
            sampled = F.grid_sample(stacked, grid, mode=mode, padding_mode="border", align_corners=True)
            parts = sampled.split([frames[key].shape[1] for key, _ in keys], dim=1)
            for (key, crop), part in zip(keys, parts, strict=True):
                result = centre(part, crop) if mode == "bilinear" else centre(part, crop).to(frames[key].dtype)
                item[key] = result[0] if single else result
        return item

    def _grid(self, windows: Tensor, size: tuple[int, int], centres: Tensor | None = None) -> Tensor:
        """Return where each pixel comes from, as ``grid_sample`` wants it: (B, tile, tile, 2), (x, y) in −1 … 1."""
        drawn = to_device(self.rows, windows.device)
        place, matrix = drawn[:, :2], drawn[:, 2:6].reshape(-1, 2, 2)
        moved = drawn[:, 6:].reshape(-1, 2, self.nodes, self.nodes)
        along = interpolation_matrix(self.nodes, self.tile, windows.device)
        position = centred_axis(self.tile, windows.device)
        low, high = windows[:, :2].float(), windows[:, 2:].float()
        # the tile's centre, so that a pixel of the tile lies on a pixel of the frame where nothing is turned or scaled
        pixel = low + torch.floor(place * (high - low))
        if centres is not None:
            centres = centres.reshape(-1, 2)
            pixel = torch.where(centres >= 0, centres.to(pixel.dtype), pixel)
        middle = pixel - self.tile // 2 + (self.tile - 1) / 2
        where = along @ moved @ along.T + middle[:, :, None, None]
        where = where + matrix[:, :, 0, None, None] * position[:, None] + matrix[:, :, 1, None, None] * position
        where = mirrored(where, low[:, :, None, None], high[:, :, None, None])
        sides = [2 / max(side - 1, 1) for side in size]
        return torch.stack([where[:, 1] * sides[1] - 1, where[:, 0] * sides[0] - 1], dim=-1)


def mirrored(position: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Fold positions into low … high − 1 as numpy's ``reflect`` does: the pixel at the edge is not repeated."""
    span = high - low - 1
    period = (2 * span).clamp(min=1)
    turned = torch.remainder(position - low, period)
    return low + torch.minimum(turned, period - turned).clamp(min=0).minimum(span)
