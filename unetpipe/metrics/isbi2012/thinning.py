"""Thinning a proposal's membrane to one pixel: the watershed that the ISBI 2012 challenge scores."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_UNSEEN, _QUEUED, _OUTSIDE, _DAM = -1, -2, -3, -4


def thinned_labels(cell: np.ndarray) -> np.ndarray:
    """Flood the membrane from the cells until they meet in dams one pixel wide.

    Parameters
    ----------
    cell : ndarray
        (H, W), bool: True in cells, False on the membrane.

    Returns
    -------
    ndarray
        (H, W), int32: 0 on a dam, 1 … n in the basins, which are the 4-connected components of the
        cells with the membrane they were given. Without any cell the whole image is basin 1.

    Notes
    -----
    The order of the flood is that of the challenge's code, and decides where a dam runs: first in,
    first out, beginning with the membrane pixels that touch a cell, column by column; a pixel
    looks left, up, right, down. scikit-image's watershed differs by up to 6e-4 in V_rand.
    """
    basins, count = ndimage.label(cell)
    if not count:
        return np.ones(cell.shape, np.int32)
    # flat Python lists: ten times faster than indexing an array pixel by pixel
    padded = np.pad(np.where(cell, basins, _UNSEEN), 1, constant_values=_OUTSIDE)
    height, width = padded.shape
    columns, rows = np.nonzero((ndimage.binary_dilation(cell) & ~cell).T)
    queue = ((rows + 1) * width + columns + 1).tolist()
    label = padded.ravel().tolist()
    for pixel in queue:
        label[pixel] = _QUEUED
    for pixel in queue:  # the list grows while it is walked: first in, first out
        own = _QUEUED
        for neighbour in (pixel - 1, pixel - width, pixel + 1, pixel + width):
            other = label[neighbour]
            if other > 0:
                if own == _QUEUED:
                    own = other
                elif own != other:
                    own = _DAM
            elif other == _UNSEEN:
                label[neighbour] = _QUEUED
                queue.append(neighbour)
        label[pixel] = own  # a pixel that meets dams alone stays queued, which ends as a dam too
    flooded = np.array(label, np.int32).reshape(height, width)[1:-1, 1:-1]
    return np.where(flooded > 0, flooded, 0).astype(np.int32)


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
