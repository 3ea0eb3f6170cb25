"""What networks have in common that classify the centre of a window."""

from __future__ import annotations

from torch import nn


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
