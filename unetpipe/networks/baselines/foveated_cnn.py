"""N4 as its authors fed it: windows sharp in the middle, blurred and sampled more coarsely towards their edge.

References
----------
D. Ciresan, A. Giusti, L. Gambardella, J. Schmidhuber: Deep Neural Networks Segment Neuronal Membranes in Electron
Microscopy Images, NIPS 2012 (section 2: foveation and nonuniform sampling).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unetpipe.errors import InputError
from unetpipe.networks.baselines.patch_cnn import PatchCNN, WindowNetwork

MIDDLE = 16  # px on each side of the centre that stay as they are


class FoveatedPatchCNN(WindowNetwork):
    """Classify the centre of a window that is resampled to the 95 × 95 pixels of a :class:`PatchCNN`.

    Every pixel has a window of its own, which no neighbour shares, so there is no dense way: a larger input is
    classified window by window, a row of them at a time.

    Parameters
    ----------
    in_channels, out_channels, channels, norm, dropout, hidden
        See :class:`PatchCNN`.
    reach : int
        Pixels of the image that the window reaches on each side (non-uniform sampling); 47 samples evenly.
    blur : sequence of float
        Standard deviations of the Gaussians, in pixels, that the window passes through from its middle to its edge
        (foveation); none blurs nothing.

    Attributes
    ----------
    window, margin, step, smallest_size, values_per_pixel
        As those of :class:`PatchCNN`; the margin is ``reach`` and what the widest Gaussian needs.

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
        self.values_per_pixel = 2.0 * PatchCNN.window * in_channels * (1 + len(blur))  # each column, once a window
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
        shares = self.shares[:, :, None].to(levels[0].dtype)  # the same for each window of a row
        results = []
        for row in range(height):
            across = [level.index_select(-2, self.places + row).unflatten(-1, (width, side)) for level in levels]
            windows = torch.stack([level * share for level, share in zip(across, shares, strict=True)]).sum(0)
            windows = windows.permute(0, 3, 1, 2, 4).flatten(0, 1)  # (B · width, C, 95, 95)
            logits = self.network(windows.contiguous(memory_format=torch.channels_last))  # three times as fast
            results.append(logits.reshape(len(x), width, self.out_channels))
        return torch.stack(results, 1).movedim(-1, 1)

    def _levels(self, x: Tensor) -> list[Tensor]:
        """Return the image as it is and through each Gaussian, (B, C, H − 2 blurred, W − 2 blurred)."""
        inner = slice(self.blurred, -self.blurred or None)
        levels = [x[..., inner, inner]]
        for bell in self.bells:
            kernel = bell.expand(x.shape[1], 1, 1, -1)
            rows = functional.conv2d(x, kernel, groups=x.shape[1])
            levels.append(functional.conv2d(rows, kernel.transpose(-1, -2), groups=x.shape[1]))
        return levels
