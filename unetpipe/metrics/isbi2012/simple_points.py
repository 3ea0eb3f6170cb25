"""Simple points of a binary image: pixels that can be flipped without changing its topology.

Foreground is 4-connected, background 8-connected. The ring of a pixel, its eight neighbours, is
coded as one byte: bit k is set where the k-th neighbour of :data:`RING` is foreground.

References
----------
V. Jain et al.: Boundary learning by optimization with topological constraints, CVPR 2010.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# (row, column) steps to the eight neighbours, clockwise from above; those at even places are the 4-neighbours
RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
EIGHT_CONNECTED = np.ones((3, 3), bool)


def ring_codes(image: np.ndarray) -> np.ndarray:
    """Return the byte of each pixel's ring: (H, W), uint8, of an image (H, W), bool; outside is background."""
    padded = np.pad(image, 1).astype(np.uint8)
    height, width = image.shape
    codes = np.zeros(image.shape, np.uint8)
    for bit, (y, x) in enumerate(RING):
        codes |= padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] << bit
    return codes


def _count_arcs(code: int) -> tuple[int, int]:
    """Count a ring's foreground 4-components that touch the 4-neighbours, and its background 8-components."""
    ring = np.zeros((3, 3), bool)
    for bit, (y, x) in enumerate(RING):
        ring[1 + y, 1 + x] = code >> bit & 1
    foreground, _ = ndimage.label(ring)
    touching = {int(foreground[1 + y, 1 + x]) for y, x in RING[::2]} - {0}
    ring[1, 1] = True  # the centre belongs to neither
    return len(touching), int(ndimage.label(~ring, EIGHT_CONNECTED)[1])


FOREGROUND_ARCS, BACKGROUND_ARCS = np.array([_count_arcs(code) for code in range(256)]).T
SIMPLE = (FOREGROUND_ARCS == 1) & (BACKGROUND_ARCS == 1)
