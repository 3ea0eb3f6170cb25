"""The tile chosen from the image and the free memory: a few large tiles, all alike."""

from __future__ import annotations

import math
from typing import Any

from unetpipe.memory import network_bytes

LARGEST_OUTPUT = 2052  # px; what neighbours compute twice is 7 % there (margin 92), and falls slowly beyond


def choose_tile(size: tuple[int, int], network: Any, memory: int) -> tuple[int, int]:
    """Return the input tile (height, width) with which a network computes an image in the least time.

    Every tile computes its margin anew, so large ones cost less, and tiles that divide the image evenly less still.

    Parameters
    ----------
    size : (int, int)
        Height and width of the image in pixels.
    network : UNet or other
        Has ``margin``, ``step``, ``smallest_size`` and ``values_per_pixel``, as :class:`unetpipe.networks.UNet`.
    memory : int
        Bytes that one tile may take.

    Raises
    ------
    ValueError
        If the network does not say its sizes.
    """
    try:
        margin, step, smallest = network.margin, network.step, network.smallest_size
        bytes_per_pixel = network_bytes(network, 1)
    except AttributeError as error:
        raise ValueError(f"{type(network).__name__} does not say its sizes ({error}); give roi_size.") from error
    # outputs are rest + k·step, of which tiles beside each other share the rest
    least, rest = divmod(smallest - 2 * margin, step)
    output = min(LARGEST_OUTPUT, math.isqrt(int(memory / bytes_per_pixel)) - 2 * margin)
    most = max((output - rest) // step, 1)
    height, width = (2 * margin + rest + step * max(_even_steps(side - rest, most, step), least) for side in size)
    return height, width


def _even_steps(length: int, most: int, step: int) -> int:
    """Return the fewest steps, at most ``most``, whose multiple covers a length with as few tiles as that many."""
    tiles = max(math.ceil(length / (most * step)), 1)
    return math.ceil(length / (tiles * step))
