"""Classify pixels one by one, each from a window around it: N4, which the U-Net replaced, and its foveated form.

References
----------
D. Ciresan, A. Giusti, L. Gambardella, J. Schmidhuber: Deep Neural Networks Segment Neuronal Membranes in Electron
Microscopy Images, NIPS 2012 (table 1: network N4).
A. Giusti et al.: Fast image scanning with deep max-pooling convolutional neural networks, ICIP 2013. They compute
the same values for all pixels at once; here dilation does that, which needs no reordering of fragments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unetpipe.errors import InputError

KERNELS = (4, 5, 4, 4)  # each followed by a 2×2 pooling: 95 → 92, 46 → 42, 21 → 18, 9 → 6, 3
LAST = 3  # side of the maps that the first fully connected layer sees
MIDDLE = 16  # px on either side of the centre that foveation leaves as they are


class WindowNetwork(nn.Module):
    """A network that returns one value for each class and each window that fits into its input.

    Attributes
    ----------
    window : int
        Side of the window in pixels, odd.
    margin : int
        Pixels of the window on either side of its centre.
    """

    window: int
    margin: int

    def check_size(self, height: int, width: int) -> None:
        """Raise ValueError if the input is smaller than the window."""
        if min(height, width) < self.window:
            raise ValueError(f"An input of {height} × {width} pixels holds no window of {self.window} × {self.window}.")

    def output_size(self, size: int) -> int:
        """Return the output side for an input side; for one window it is 1. ValueError if the input is too small."""
        self.check_size(size, size)
        return size - 2 * self.margin


class PatchCNN(WindowNetwork):
    """Classify the centre of a window of 95 × 95 pixels: four convolutions with poolings, two fully connected layers.

    A window gives one value for each class. A larger input is computed densely, for every window that fits: poolings
    keep the resolution, and the layers after them are dilated instead. Both ways give the same values, up to rounding.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image; number of classes.
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
        47, 1 and 95, for overlap-tile inference; see :class:`unetpipe.networks.UNet`.
    values_per_pixel : float
        See :class:`unetpipe.networks.UNet`. It covers the two widest layers of the dense computation, and a reserve.
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


class FoveatedPatchCNN(WindowNetwork):
    """Classify the centre of a window that is resampled to the 95 × 95 pixels of a :class:`PatchCNN`.

    Windows of neighbouring pixels have nothing in common, so they cannot be computed densely: a larger input is
    classified window by window, one row of windows at a time.

    Parameters
    ----------
    in_channels, out_channels, channels, norm, dropout, hidden
        See :class:`PatchCNN`.
    reach : int
        Pixels that the window extends on either side (non-uniform sampling); with 47 the sampling is even.
    blur : sequence of float
        Standard deviations, in pixels, of the Gaussians that blur the window from its middle to its edge (foveation);
        an empty sequence blurs nothing.

    Attributes
    ----------
    window, margin, step, smallest_size, values_per_pixel
        See :class:`PatchCNN`; the margin is ``reach`` plus what the widest Gaussian needs.

    Raises
    ------
    InputError
        If ``reach`` is below 47 or a standard deviation not positive.
    """

    step = 1
    places: Tensor
    shares: Tensor
    bells: Tensor

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        channels: Sequence[int] = (48, 48, 48, 48),
        norm: str | None = None,
        dropout: float = 0.0,
        hidden: int = 200,
        reach: int = 63,
        blur: Sequence[float] = (1.0, 2.0),
    ) -> None:
        super().__init__()
        if reach < PatchCNN.margin or any(sigma <= 0 for sigma in blur):
            raise InputError(
                f"reach={reach} must be at least {PatchCNN.margin}, and each of blur={list(blur)} above 0."
            )
        self.network = PatchCNN(in_channels, out_channels, channels, norm, dropout, hidden)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.blurred = math.ceil(3 * max(blur, default=0))
        self.margin = reach + self.blurred
        self.window = self.smallest_size = 2 * self.margin + 1
        self.values_per_pixel = 2.0 * PatchCNN.window * in_channels * (1 + len(blur))  # each column for each window
        place = torch.arange(-PatchCNN.margin, PatchCNN.margin + 1)
        outside = ((place.abs() - MIDDLE).clamp(min=0) / (PatchCNN.margin - MIDDLE)).float()  # 0 … 1
        stretched = place + place.sign() * (reach - PatchCNN.margin) * outside**2
        self.register_buffer("places", stretched.round().long() + reach, persistent=False)
        level = len(blur) * torch.maximum(outside[:, None], outside[None, :])
        shares = [(1 - (level - number).abs()).clamp(min=0) for number in range(1 + len(blur))]
        self.register_buffer("shares", torch.stack(shares), persistent=False)
        offset = torch.arange(-self.blurred, self.blurred + 1).float()
        bells = [torch.softmax(-(offset**2) / (2 * sigma**2), 0) for sigma in blur]
        self.register_buffer("bells", torch.stack(bells) if bells else offset.new_zeros(0, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, out_channels, H − 2 margin, W − 2 margin).

        Raises
        ------
        ValueError
            If H or W is less than the window.
        """
        self.check_size(x.shape[-2], x.shape[-1])
        height, width = (self.output_size(side) for side in x.shape[-2:])
        side = len(self.places)
        columns = (torch.arange(width, device=x.device)[:, None] + self.places).flatten()
        levels = [level.index_select(-1, columns) for level in self._levels(x)]
        shares = self.shares[:, :, None].to(levels[0].dtype)  # the same for all windows of a row
        results = []
        for row in range(height):
            across = [level.index_select(-2, self.places + row).unflatten(-1, (width, side)) for level in levels]
            windows = torch.stack([level * share for level, share in zip(across, shares, strict=True)]).sum(0)
            windows = windows.permute(0, 3, 1, 2, 4).flatten(0, 1)  # (B · width, C, 95, 95)
            logits = self.network(windows.contiguous(memory_format=torch.channels_last))  # three times as fast
            results.append(logits.reshape(len(x), width, self.out_channels))
        return torch.stack(results, 1).movedim(-1, 1)

    def _levels(self, x: Tensor) -> list[Tensor]:
        """Return the image, unchanged and blurred by each Gaussian: each (B, C, H − 2 blurred, W − 2 blurred)."""
        inner = slice(self.blurred, -self.blurred or None)
        levels = [x[..., inner, inner]]
        for bell in self.bells:
            kernel = bell.expand(x.shape[1], 1, 1, -1)
            rows = functional.conv2d(x, kernel, groups=x.shape[1])
            levels.append(functional.conv2d(rows, kernel.transpose(-1, -2), groups=x.shape[1]))
        return levels
