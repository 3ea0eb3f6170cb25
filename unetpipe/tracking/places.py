"""Where the cells of a label map are: area and centroid of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class CellPlaces(NamedTuple):
    """The cells of a frame.

    Attributes
    ----------
    ids : ndarray
        (n,), int64, rising.
    areas : ndarray
        (n,), float64, pixels.
    centroids : ndarray
        (n, 2), float64: y, x in pixels, where the centre of the first pixel is 0.
    """

    ids: np.ndarray
    areas: np.ndarray
    centroids: np.ndarray


def find_places(labels: np.ndarray) -> CellPlaces:
    """Measure the cells of a label map (H, W), integer, 0 background.

    Examples
    --------
    >>> places = find_places(np.array([[4, 4, 0], [0, 0, 9]]))
    >>> places.ids.tolist(), places.areas.tolist(), places.centroids.tolist()
    ([4, 9], [2.0, 1.0], [[0.0, 0.5], [1.0, 2.0]])
    """
    ys, xs = np.nonzero(labels)
    ids, cells = np.unique(labels[ys, xs], return_inverse=True)
    areas = np.bincount(cells, minlength=len(ids)).astype(np.float64)
    sums = [np.bincount(cells, weights=values, minlength=len(ids)) for values in (ys, xs)]
    return CellPlaces(ids.astype(np.int64), areas, np.stack(sums, axis=1) / areas[:, None])
