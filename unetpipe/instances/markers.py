"""Cells that have grown together are cut between their confident centres."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

PEAK_SMOOTHING = 2.0  # px
PEAK_WINDOW = 7  # px


def inner_peaks(confident: np.ndarray) -> np.ndarray:
    """Number the places of (H, W) that lie deepest inside what is confidently cell: several in a long cell.

    They are the maxima, within 7 × 7 pixels, of the Euclidean distance to what is not, smoothed by a Gaussian of 2 px.
    """
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(confident), PEAK_SMOOTHING)
    peaks = (ndimage.maximum_filter(depth, PEAK_WINDOW) == depth) & confident
    return ndimage.label(peaks)[0].astype(np.int32)


def split_at_markers(probability: np.ndarray, cells: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """Cut each component that holds several markers along the valleys of the probability between them.

    Each is flooded from its markers by itself, the most probable pixels first (watershed), so what becomes
    of it does not depend on the rest of the image. A component with one marker or none stays as it is.

    Parameters
    ----------
    probability : ndarray
        (H, W), float, 0 … 1: the probability of "cell".
    cells : ndarray
        (H, W), int32: 0 background, 1 … n, each 4-connected.
    markers : ndarray
        (H, W), int32: 0, or the marker's number; markers lie inside cells.

    Returns
    -------
    ndarray
        (H, W), int32: 0 where ``cells`` is 0, else 1 … m; the first part keeps the component's number.

    References
    ----------
    F. Meyer: Un algorithme optimal pour la ligne de partage des eaux, RFIA 1991.
    """
    parted = cells.copy()
    count = int(cells.max(initial=0))
    boxes = ndimage.find_objects(cells)
    for number in _with_several(cells, markers):
        box = boxes[number - 1]
        inside = cells[box] == number
        seeds = np.where(inside, markers[box], 0)
        places = np.nonzero(seeds)
        seeds[places] = np.unique(seeds[places], return_inverse=True)[1] + 1
        parts = watershed(1 - probability[box], seeds, connectivity=1, mask=inside)
        parted[box][parts > 1] = parts[parts > 1] + count - 1
        count += int(parts.max()) - 1
    return parted


def _with_several(cells: np.ndarray, markers: np.ndarray) -> list[int]:
    """Return the numbers of the cells that hold several markers."""
    marked = (markers > 0) & (cells > 0)
    base = int(markers.max(initial=0)) + 1
    pairs = np.unique(cells[marked].astype(np.int64) * base + markers[marked])
    return np.flatnonzero(np.bincount(pairs // base) > 1).tolist()
