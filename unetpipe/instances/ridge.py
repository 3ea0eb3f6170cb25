"""The thin background ridge between touching cells: cut before training, refilled after inference.

References
----------
Ronneberger et al. 2015, section 3: touching cells are separated by a background line in the ground
truth, so that the network has to learn it.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def disc(radius: float) -> np.ndarray:
    """Return the boolean footprint of all offsets at Euclidean distance ≤ ``radius`` pixels."""
    reach = int(radius)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    return y * y + x * x <= radius * radius


def contact_zone(instances: np.ndarray, radius: float) -> np.ndarray:
    """Return where (H, W) at least two different cells lie within ``radius`` pixels.

    Pixels of a cell belong to the zone if another cell is that near, and so do background pixels between them.
    """
    footprint = disc(radius)
    ids = instances.astype(np.int32)
    absent = np.iinfo(np.int32).max  # 65535 is a legal id
    highest = ndimage.maximum_filter(ids, footprint=footprint, mode="constant", cval=0)
    lowest = ndimage.minimum_filter(np.where(ids == 0, absent, ids), footprint=footprint, mode="constant", cval=absent)
    return (highest > 0) & (lowest < highest)


def cut_ridge(instances: np.ndarray, radius: float = 1.5) -> np.ndarray:
    """Turn to background what lies within ``radius`` of another cell: a line of about 2·radius pixels.

    Parameters
    ----------
    instances : ndarray
        (H, W), integer: 0 background, else the cell's id.
    radius : float
        In pixels; 1 takes one pixel from each of two touching cells, 0 takes nothing.
    """
    if radius <= 0:
        return instances.copy()
    return np.where(contact_zone(instances, radius), 0, instances).astype(instances.dtype)


def refill_ridge(instances: np.ndarray, radius: float = 2.0) -> np.ndarray:
    """Give background pixels between two cells, within ``radius`` of both, to the nearest of them.

    Pixels that lie between such a pixel and its cell are given to the cell, too, so that no cell falls into pieces.
    Other outlines towards open background do not change. What happens to a pixel depends on those within twice the
    radius.

    Parameters
    ----------
    instances : ndarray
        (H, W), integer: 0 background, else the cell's id.
    radius : float
        In pixels; 0 changes nothing. If two cells are equally near, the upper one gets the pixel, then the left one.

    Examples
    --------
    >>> refill_ridge(np.array([[1, 0, 0, 2]]))
    array([[1, 1, 2, 2]])
    """
    if radius <= 0:
        return instances.copy()
    footprint = disc(radius)
    reach = int(radius)
    around = np.pad(instances, reach)
    # a square has the pixels of the disc and some that no cell reaches, and is found ten times as fast
    y, x = np.nonzero((instances == 0) & (ndimage.maximum_filter(instances, 2 * reach + 1, mode="constant") > 0))
    offsets = np.argwhere(footprint) - reach
    nearest = np.zeros(len(y), instances.dtype)
    distance = np.zeros(len(y), int)  # squared, to the nearest cell
    between = np.zeros(len(y), bool)
    for dy, dx in offsets[np.argsort((offsets**2).sum(1), kind="stable")]:
        cell = around[y + reach + dy, x + reach + dx]
        first = (nearest == 0) & (cell > 0)
        nearest[first], distance[first] = cell[first], dy * dy + dx * dx
        between |= (cell > 0) & (cell != nearest)
    given = np.pad(instances, 1)
    given[y + 1, x + 1] = np.where(between, nearest, 0)
    far = np.zeros(given.shape, int)  # how far a given pixel is from its cell; 0 in the cells
    far[y + 1, x + 1] = np.where(between, distance, 0)
    for _ in range(reach):
        way = np.zeros(len(y), bool)
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            beside = y + 1 + dy, x + 1 + dx
            way |= (given[beside] == nearest) & (far[beside] > distance)
        way &= given[y + 1, x + 1] == 0
        given[y[way] + 1, x[way] + 1], far[y[way] + 1, x[way] + 1] = nearest[way], distance[way]
    return given[1:-1, 1:-1].copy()
