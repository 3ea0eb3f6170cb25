"""The sliding-window network that the U-Net replaced: N4 of Ciresan et al., window by window or densely.

References
----------
D. Ciresan, A. Giusti, L. Gambardella, J. Schmidhuber: Deep Neural Networks Segment Neuronal Membranes in Electron
Microscopy Images, NIPS 2012 (table 1: network N4).
A. Giusti et al.: Fast image scanning with deep max-pooling convolutional neural networks, ICIP 2013: the same
values for every pixel at once. Here by dilation, which needs no reordering of fragments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unetpipe.errors import InputError

KERNELS = (4, 5, 4, 4)  # each followed by a 2×2 pooling: 95 → 92, 46 → 42, 21 → 18, 9 → 6, 3
LAST = 3  # side of the maps that the first fully connected layer sees


class WindowNetwork(nn.Module):
    """A network whose result is one value a class for each window that fits into its input.

    Attributes
    ----------
    window : int
        Side of the window in pixels, odd.
    margin : int
        Pixels of the window on each side of its centre.
    """

    window: int
    margin: int

    def check_size(self, height: int, width: int) -> None:
        """Raise ValueError if no window fits."""
        if min(height, width) < self.window:
            raise ValueError(f"An input of {height} × {width} pixels holds no window of {self.window} × {self.window}.")

    def output_size(self, size: int) -> int:
        """Return the output side of an input side: a window gives 1. ValueError if it is too small."""
        self.check_size(size, size)
        return size - 2 * self.margin


class PatchCNN(WindowNetwork):
    """Classify the centre of a window of 95 × 95 pixels: four convolutions with poolings, two fully connected layers.

    A window gives one value a class. Of a larger input every window that fits gives one, computed densely: poolings
    keep the resolution, and what follows them is dilated instead. Both ways give the same values, to float rounding.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image; classes.
    channels : sequence of int
        Feature maps of the four convolutions (48 each in N4).
    norm : {None, "batch"}
        Normalisation between convolution and ReLU; N4 has none.
    dropout : float
        Rate before the last layer; N4 has none.
    hidden : int
        Neurons of the first fully connected layer (200 in N4).

    Attributes
    ----------
    window : int
        Side of the window in pixels, 95.
    margin, step, smallest_size : int
        As those of :class:`unetpipe.networks.UNet`, for overlap-tile inference: 47, 1, 95.
    values_per_pixel : float
        As that of :class:`unetpipe.networks.UNet`, computed densely: the two widest layers and a reserve.
    """

    window = 95
    margin = 47
    step = 1
    smallest_size = 95

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        channels: Sequence[int] = (48, 48, 48, 48),
        norm: str | None = None,
        dropout: float = 0.0,
        hidden: int = 200,
    ) -> None:
        super().__init__()
        if len(channels) != len(KERNELS) or min(in_channels, out_channels, hidden, *channels) < 1:
            raise InputError(
                f"in_channels={in_channels}, out_channels={out_channels}, hidden={hidden} and the {len(KERNELS)} "
                f"numbers of channels={list(channels)} must be positive."
            )
        if norm not in (None, "batch"):
            raise InputError(f'norm={norm!r} is not known; use norm=None or norm="batch".')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.values_per_pixel = 2.0 * (max(channels) + max(*channels, hidden))
        inputs = (in_channels, *channels[:-1])
        self.convolutions = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, maps, kernel), nn.BatchNorm2d(maps) if norm else nn.Identity())
            for before, maps, kernel in zip(inputs, channels, KERNELS, strict=True)
        )
        self.hidden = nn.Conv2d(channels[-1], hidden, LAST)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(hidden, out_channels, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, out_channels, H − 94, W − 94).

        Raises
        ------
        ValueError
            If H or W is less than 95.
        """
        self.check_size(x.shape[-2], x.shape[-1])
        one_window = x.shape[-2] == x.shape[-1] == self.window
        dilation = 1
        for block in self.convolutions:
            layer: Any = block[0]  # type: ignore[index]
            x = functional.conv2d(x, layer.weight, layer.bias, dilation=dilation)
            x = torch.relu(block[1](x))  # type: ignore[index]
            if one_window:
                x = functional.max_pool2d(x, 2)
            else:
                x = functional.max_pool2d(x, 2, stride=1, dilation=dilation)
                dilation *= 2
        x = torch.relu(functional.conv2d(x, self.hidden.weight, self.hidden.bias, dilation=dilation))
        return self.classify(self.dropout(x))
