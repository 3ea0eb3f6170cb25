"""Define a small padded U-Net with one convolution on each level; without skip connections it is an autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetpipe.errors import InputError


class SmallUNet(nn.Module):
    """Small U-Net: one padded 3×3 convolution on each level, nearest-neighbour up-sampling, skips on chosen levels.

    With two levels it is: conv, pool, conv, pool, dropout, up, (concatenate,) conv, up, (concatenate,) conv, 1×1 conv.
    It is a baseline: the padding with zeros changes the result at the edges of tiles. Therefore whole images are
    computed at once if memory allows (:class:`unetpipe.inferers.OverlapTileInferer` chooses the tile).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of the result.
    channels : sequence of int
        Feature channels of each level, from full resolution down.
    norm : {None, "batch"}
        Normalisation between convolution and ReLU.
    dropout : float
        Dropout rate at the bottom.
    skips : sequence of int, optional
        Levels whose features are concatenated on the way up; 0 is full resolution. By default all levels. Without
        skips, ``[]``, the network is an autoencoder: the result depends only on the features at the bottom.

    Attributes
    ----------
    margin, step, smallest_size, values_per_pixel
        See :class:`unetpipe.networks.UNet`. The margin is 0; step and smallest size are 2**levels.
    """

    margin = 0

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        channels: Sequence[int] = (32, 32),
        norm: str | None = None,
        dropout: float = 0.2,
        skips: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        levels = range(len(channels))
        self.skips = tuple(levels if skips is None else skips)
        if not channels or min(in_channels, out_channels, *channels) < 1:
            raise InputError(f"in_channels, out_channels and channels={list(channels)} must be positive.")
        if not set(self.skips) <= set(levels):
            raise InputError(f"skips={list(self.skips)} must be levels of channels={list(channels)}, from 0.")
        if norm not in (None, "batch"):
            raise InputError(f'norm={norm!r} is not known; use norm=None or norm="batch".')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.step = self.smallest_size = 2 ** len(channels)
        self.values_per_pixel = 6.0 * max(channels)
        widths = [in_channels, *channels]
        self.down = nn.ModuleList(_convolution(widths[level], widths[level + 1], norm) for level in levels)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout2d(dropout)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        below = [*channels[1:], channels[-1]]
        self.up = nn.ModuleList(
            _convolution(below[level] + (channels[level] if level in self.skips else 0), channels[level], norm)
            for level in reversed(levels)
        )
        self.classify = nn.Conv2d(channels[0], out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to (B, out_channels, H, W), both sides multiples of ``step``.

        Raises
        ------
        ValueError
            If H or W is not a multiple of ``step``.
        """
        self.check_size(x.shape[-2], x.shape[-1])
        features: list[Tensor] = []
        for block in self.down:
            x = block(x)
            features.append(x)
            x = self.pool(x)
        x = self.dropout(x)
        for level, block in zip(reversed(range(len(features))), self.up, strict=True):
            x = self.grow(x)
            x = block(torch.cat([features[level], x], dim=1) if level in self.skips else x)
        return self.classify(x)

    def check_size(self, height: int, width: int) -> None:
        """Raise ValueError unless both sides are multiples of ``step``."""
        for size in (height, width):
            if size < self.step or size % self.step:
                raise ValueError(f"An input side of {size} pixels does not fit; it must be a multiple of {self.step}.")

    def output_size(self, size: int) -> int:
        """Return the output side for an input side: the same. ValueError if it is not a multiple of ``step``."""
        self.check_size(size, size)
        return size


def _convolution(in_channels: int, out_channels: int, norm: str | None) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)]
    if norm == "batch":
        layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
