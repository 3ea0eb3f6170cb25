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

    Outlines towards open background do not change.

    Parameters
    ----------
    instances : ndarray
        (H, W), integer: 0 background, else the cell's id.
    radius : float
        In pixels; 0 changes nothing. If two cells are equally near, the upper one gets the pixel, then the left one.
    """
    if radius <= 0:
        return instances.copy()
    footprint = disc(radius)
    reach = int(radius)
    around = np.pad(instances, reach)
    y, x = np.nonzero((instances == 0) & ndimage.binary_dilation(instances > 0, footprint))
    offsets = np.argwhere(footprint) - reach
    nearest = np.zeros(len(y), instances.dtype)
    between = np.zeros(len(y), bool)
    for dy, dx in offsets[np.argsort((offsets**2).sum(1), kind="stable")]:
        cell = around[y + reach + dy, x + reach + dx]
        nearest = np.where(nearest == 0, cell, nearest)
        between |= (cell > 0) & (cell != nearest)
    given = instances.copy()
    given[y, x] = np.where(between, nearest, 0)
    return given
