"""MONAI's BasicUNet, with the size arithmetic that the bundle's configs ask of a network."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets import BasicUNet


class SizedBasicUNet(BasicUNet):
    """2D BasicUNet as MONAI ships it (padded, instance norm, leaky ReLU); its output is as large as its input.

    Parameters
    ----------
    in_channels, out_channels : int
    channels : sequence of int
        Five widths, from the top down; the last decoder level is as wide as the first.
    """

    margin = 0
    step = 16

    def __init__(self, in_channels: int, out_channels: int, channels: Sequence[int]) -> None:
        super().__init__(2, in_channels, out_channels, features=(*channels, channels[0]))
        self.in_channels = in_channels

    def check_size(self, height: int, width: int) -> None:
        """Raise ValueError unless both sides can be halved four times."""
        if height % self.step or width % self.step:
            raise ValueError(f"Sides must be multiples of {self.step}, not {height}×{width}.")

    def output_size(self, size: int) -> int:
        """Return the side itself."""
        return size
