"""A U-Net that sees the image at half its size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unetpipe.networks.unet import UNet


class HalvedUNet(UNet):
    """U-Net that sees the image at half its size, for large cells that are dim in noise.

    It averages the image over 2 × 2 pixels first, and enlarges the logits bilinearly last. So the noise is half as
    strong, the network sees twice as far, and a large image takes a quarter of the time. Tiles join without a seam, as
    those of :class:`UNet` do.

    Parameters
    ----------
    in_channels, out_channels, channels, norm, dropout
        See :class:`UNet`.

    Attributes
    ----------
    margin, step, smallest_size, values_per_pixel
        See :class:`UNet`. At depth 4 the margin is 185 pixels, valid sizes go in steps of 32, and the smallest one is
        376. The margin is twice that of the U-Net and one pixel more, because an enlarged pixel at the edge needs a
        logit that is not there.
    halvings : Tensor
        1. It is stored with the weights, so that they are not taken for those of a :class:`UNet`, which have the
        same names and sizes.

    Examples
    --------
    >>> network = HalvedUNet()
    >>> network.margin, network.output_size(888), network.input_size(388)
    (185, 518, 760)
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        channels: Sequence[int] = (64, 128, 256, 512, 1024),
        norm: str | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(in_channels, out_channels, channels, norm, dropout)
        self.smallest_size = 2 * self.input_size(2)  # one logit cannot be enlarged
        self.margin = 2 * self.margin + 1
        self.step *= 2
        self.values_per_pixel = self.values_per_pixel / 4 + 4 * out_channels
        self.register_buffer("halvings", torch.tensor(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, out_channels, H − 2·margin, W − 2·margin).

        Raises
        ------
        ValueError
            If H or W is not a valid size; the message names the two nearest valid ones.
        """
        self.check_size(x.shape[-2], x.shape[-1])
        return enlarged(self.logits(F.avg_pool2d(x, 2)))


def enlarged(x: Tensor) -> Tensor:
    """Enlarge (B, C, H, W) bilinearly to (B, C, 2H − 2, 2W − 2): two pixels between each pair of neighbours.

    These are the pixels of ``F.interpolate`` but the outermost ones. Its gradient on a GPU depends on the order of
    sums, so a training could not be repeated bit for bit.

    Examples
    --------
    >>> enlarged(torch.tensor([[[[0.0, 4.0], [8.0, 12.0]]]]))
    tensor([[[[3., 5.],
              [7., 9.]]]])
    """
    for axis in (2, 3):
        first, second = x.narrow(axis, 0, x.shape[axis] - 1), x.narrow(axis, 1, x.shape[axis] - 1)
        pair = torch.stack([torch.lerp(first, second, 0.25), torch.lerp(first, second, 0.75)], axis + 1)
        x = pair.flatten(axis, axis + 1)
    return x
