"""Define the unpadded U-Net of Ronneberger, Fischer and Brox, and compute which sizes fit it.

References
----------
O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image
Segmentation, MICCAI 2015, arXiv:1505.04597 (section 2: network; section 3: initialisation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unetpipe.errors import InputError

TILE_DEPENDENT_NORMS = ("instance", "group", "layer")


class UNet(nn.Module):
    """2D U-Net with unpadded ("valid") 3×3 convolutions and centre-cropped skip connections.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image; number of classes.
    channels : sequence of int
        Feature channels of each level, from full resolution to the bottom of the U. The depth is the number of
        poolings: one less than the number of levels.
    norm : {None, "batch"}
        Normalisation between convolution and ReLU; the paper has none. Norms whose statistics depend on the tile at
        inference (instance, group, layer) are refused, because with them a tiled result would differ from that of the
        whole image.
    dropout : float
        Dropout rate at the end of the contracting path, on its two deepest levels (0.5 in the network that the authors
        released).
    padding : {"valid", "same"}
        "valid" as in the paper; "same" pads with zeros and keeps the size (a baseline).
    skip_connections : bool
        False leaves out the concatenations, which makes the network an autoencoder (a baseline).

    Attributes
    ----------
    margin : int
        Pixels lost on either side: ``output_size(n) == n - 2 * margin`` (92 at depth 4).
    step : int
        Pixels by which an input may be shifted without shifting the pooling grid: 2**depth.
    smallest_size : int
        Smallest valid input side (188 at depth 4); the next ones follow in steps of ``step``.
    values_per_pixel : float
        Number of values that inference holds at once for each pixel of the input; it limits the size of a tile.

    Examples
    --------
    >>> network = UNet()
    >>> network.margin, network.step, network.smallest_size
    (92, 16, 188)
    >>> network.output_size(572), network.input_size(388), network.nearest_valid_sizes(512)
    (388, 572, (508, 524))
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        channels: Sequence[int] = (64, 128, 256, 512, 1024),
        norm: str | None = None,
        dropout: float = 0.5,
        padding: str = "valid",
        skip_connections: bool = True,
    ) -> None:
        super().__init__()
        _check_arguments(in_channels, out_channels, channels, norm, dropout, padding)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.depth = len(channels) - 1
        self.step = 2**self.depth
        # the two convolutions of a level lose 4 of its pixels on the way down, and 4 on the way up;
        # those at the bottom lose 4 once
        lost = 0 if padding == "same" else sum(8 * 2**level for level in range(self.depth)) + 4 * self.step
        self.margin = lost // 2
        # b pixels from the bottom become 2b − 4 on each level upwards: the outputs are 4, 4 + step, …
        self.smallest_size = self.step if padding == "same" else lost + min(4, self.step)
        # on the largest level: the skip, the concatenation (twice as wide), two results, and a reserve
        self.values_per_pixel = 6 * max(width / 4**level for level, width in enumerate(channels))
        self.skip_connections = skip_connections

        pad = 1 if padding == "same" else 0
        rate = [dropout if level >= max(self.depth - 1, 1) else 0.0 for level in range(self.depth + 1)]
        widths = [in_channels, *channels]
        self.down = nn.ModuleList(
            _convolutions(widths[level], widths[level + 1], norm, pad, rate[level]) for level in range(self.depth + 1)
        )
        self.pool = nn.MaxPool2d(2)
        upwards = list(reversed(range(self.depth)))
        self.up_convolution = nn.ModuleList(
            nn.ConvTranspose2d(channels[level + 1], channels[level], kernel_size=2, stride=2) for level in upwards
        )
        self.up = nn.ModuleList(
            _convolutions(channels[level] * (2 if skip_connections else 1), channels[level], norm, pad, 0.0)
            for level in upwards
        )
        self.classify = nn.Conv2d(channels[0], out_channels, kernel_size=1)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, out_channels, H − 2·margin, W − 2·margin).

        Raises
        ------
        ValueError
            If H or W is not a valid size; the message names the two nearest valid ones.
        """
        self.check_size(x.shape[-2], x.shape[-1])
        return self.logits(x)

    def logits(self, x: Tensor) -> Tensor:
        """Run all levels on an input of a valid size."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            if level > 0:
                x = self.pool(x)
            x = block(x)
            skips.append(x)
        skips.pop()
        for up_convolution, block in zip(self.up_convolution, self.up):  # noqa: B905 (TorchScript knows no strict)
            x = up_convolution(x)
            skip = skips.pop()
            if self.skip_connections:
                x = torch.cat([self.crop(skip, x.shape[-2], x.shape[-1]), x], dim=1)
            x = block(x)
        return self.classify(x)

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        """Cut the centre of this height and width out of a skip connection."""
        top, left = (skip.shape[-2] - height) // 2, (skip.shape[-1] - width) // 2
        if self.training and self.margin == 0:
            return skip
        if self.training:
            # the gradient of a slice has its channels first, so that all layers before it would copy theirs to and fro
            bottom, right = skip.shape[-2] - height - top, skip.shape[-1] - width - left
            return F.pad(skip, [-left, -right, -top, -bottom])
        return skip[..., top : top + height, left : left + width]

    def check_size(self, height: int, width: int) -> None:
        """Raise ValueError unless an image of this height and width has even sides at each pooling."""
        for size in (height, width):
            below, above = self.nearest_valid_sizes(size)
            if below != size or size < self.smallest_size:
                raise ValueError(
                    f"An input side of {size} pixels does not fit this U-Net; the nearest valid sizes are "
                    f"{below if below > 0 else above} and {above if below > 0 else above + self.step}."
                )

    def nearest_valid_sizes(self, size: int) -> tuple[int, int]:
        """Return the largest valid input side ≤ size (0 if there is none) and the smallest one ≥ size."""
        smallest = self.smallest_size
        if size < smallest:
            return 0, smallest
        below = size - (size - smallest) % self.step
        return below, below if below == size else below + self.step

    def valid_sizes(self, largest: int) -> list[int]:
        """Return all valid input sides up to ``largest``, in pixels."""
        return list(range(self.smallest_size, largest + 1, self.step))

    def output_size(self, size: int) -> int:
        """Return the output side for an input side: 572 → 388. ValueError if the input side is not valid."""
        self.check_size(size, size)
        return size - 2 * self.margin

    def input_size(self, output: int) -> int:
        """Return the smallest valid input side for an output side of at least ``output``: 388 → 572."""
        first = self.smallest_size
        return first + self.step * max(0, math.ceil((output + 2 * self.margin - first) / self.step))


def _convolutions(in_channels: int, out_channels: int, norm: str | None, padding: int, dropout: float) -> nn.Sequential:
    """Return two 3×3 convolutions, each with normalisation, if any, and ReLU, and dropout after both."""
    layers: list[nn.Module] = []
    for inputs in (in_channels, out_channels):
        layers.append(nn.Conv2d(inputs, out_channels, kernel_size=3, padding=padding, bias=norm is None))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    """Draw weights from a Gaussian of standard deviation sqrt(2 / N), N the incoming nodes of a neuron (section 3)."""
    if isinstance(module, nn.Conv2d):
        incoming = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
    elif isinstance(module, nn.ConvTranspose2d):
        incoming = module.in_channels  # 2×2 windows at stride 2 do not overlap: each output sees one input pixel
    else:
        return
    nn.init.normal_(module.weight, std=math.sqrt(2 / incoming))
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _check_arguments(
    in_channels: int, out_channels: int, channels: Sequence[int], norm: str | None, dropout: float, padding: str
) -> None:
    if norm in TILE_DEPENDENT_NORMS:
        raise InputError(
            f"norm={norm!r} takes its statistics from the tile at inference, so tiles would not join without a seam; "
            'use norm="batch" or norm=None.'
        )
    if norm not in (None, "batch"):
        raise InputError(f'norm={norm!r} is not known; use norm="batch" or norm=None.')
    if padding not in ("valid", "same"):
        raise InputError(f'padding={padding!r} is not known; use padding="valid" or padding="same".')
    numbers = (in_channels, out_channels, *channels)
    if not channels or any(isinstance(n, bool) or not isinstance(n, Integral) or n < 1 for n in numbers):
        raise InputError(
            f"in_channels={in_channels}, out_channels={out_channels} and channels={tuple(channels)} must be positive "
            "whole numbers."
        )
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout} must be at least 0 and below 1.")
