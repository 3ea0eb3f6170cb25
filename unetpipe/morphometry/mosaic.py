"""Measure a mosaic of cells, such as the corneal endothelium: density, spread of the areas, share of hexagons.

References
----------
B. E. McCarey, H. F. Edelhauser, M. J. Lynn: Review of corneal endothelial specular microscopy for FDA clinical
trials, Cornea 27 (2008): density, coefficient of variation (polymegethism), and share of six-sided cells
(pleomorphism).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

HEXAGON = 6


class CellMosaic(NamedTuple):
    """The measures of a mosaic.

    Attributes
    ----------
    cells : int
        Number of complete cells, which do not touch the edge of the image.
    density : float or None
        Complete cells per mm² of the mosaic: of the area of these cells and of the lines between them, not of the
        image. None without a pixel size or a complete cell.
    mean_area : float or None
        Mean area of a complete cell in µm², or in pixels without a pixel size.
    variation : float or None
        Standard deviation of the areas divided by their mean.
    hexagonal : float or None
        Share of the inner cells with six neighbours; None if there is no inner cell.
    inner : int
        Number of inner cells, which have neighbours on all sides.
    at_edge : int
        Number of cells that touch the edge of the image. They are not complete, so no other measure has them.
    """

    cells: int
    density: float | None
    mean_area: float | None
    variation: float | None
    hexagonal: float | None
    inner: int
    at_edge: int


def measure_mosaic(labels: np.ndarray, pixel_size: float | None = None, gap: float = 3.0) -> CellMosaic:
    """Measure the cells of an instance map.

    Parameters
    ----------
    labels : ndarray
        (H, W), integer: 0 between cells and outside the mosaic, else the cell's id.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    gap : float
        Largest distance, in pixels, from a cell to a pixel of a line that is given to the nearest cell.

    Examples
    --------
    Only the cell in the middle is complete. It has four neighbours, and each pixel is 10 µm wide.

    >>> labels = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((10, 10), int))
    >>> measure_mosaic(labels, pixel_size=10)
    CellMosaic(cells=1, density=100.0, mean_area=10000.0, variation=0.0, hexagonal=0.0, inner=1, at_edge=8)
    """
    grown = _share_lines(labels, gap)
    every = np.unique(labels[labels > 0])
    complete = np.setdiff1d(every, _at_edge(grown))
    ids, sizes = np.unique(grown, return_counts=True)  # ids may be high: no table up to the highest
    areas = sizes[np.isin(ids, complete)].astype(float)
    neighbours = count_neighbours(labels, gap)
    inner = [number for cell, number in neighbours.items() if number is not None]
    unit = 1.0 if pixel_size is None else pixel_size**2
    mean = float(areas.mean() * unit) if len(areas) else None
    return CellMosaic(
        cells=len(complete),
        density=1e6 / mean if mean and pixel_size is not None else None,
        mean_area=mean,
        variation=float(areas.std() / areas.mean()) if len(areas) else None,
        hexagonal=inner.count(HEXAGON) / len(inner) if inner else None,
        inner=len(inner),
        at_edge=len(every) - len(complete),
    )


def count_neighbours(labels: np.ndarray, gap: float = 3.0, contact: int = 3) -> dict[int, int | None]:
    """Count the neighbours of each cell.

    Parameters
    ----------
    labels, gap
        See :func:`measure_mosaic`.
    contact : int
        Two cells are neighbours if, after the lines between them are given to the nearest cells, they meet along at
        least this many pixel edges. So cells that only meet in a corner are not neighbours.

    Returns
    -------
    dict of int to int or None
        The number of neighbours by id; None for a cell at the edge of the mosaic or of the image.
    """
    grown = _share_lines(labels, gap)
    pairs = [np.stack([grown[:-1].ravel(), grown[1:].ravel()]), np.stack([grown[:, :-1].ravel(), grown[:, 1:].ravel()])]
    both = np.sort(np.concatenate(pairs, axis=1), axis=0)
    both = both[:, both[0] != both[1]]
    meeting, lengths = np.unique(both, axis=1, return_counts=True)
    outer = set(_at_edge(grown).tolist()) | set(meeting[1, (meeting[0] == 0) & (lengths >= contact)].tolist())
    meeting = meeting[:, (meeting[0] > 0) & (lengths >= contact)]
    cells, counts = np.unique(meeting, return_counts=True)
    number = dict(zip(cells.tolist(), counts.tolist(), strict=True))
    ids = np.unique(labels[labels > 0]).tolist()
    return {cell: None if cell in outer else number.get(cell, 0) for cell in ids}


def _share_lines(labels: np.ndarray, gap: float) -> np.ndarray:
    """Give lines within ``gap`` pixels of a cell to the nearest cell; the outside of the mosaic stays background."""
    closed = ndimage.binary_closing(np.pad(labels > 0, round(gap) + 1, mode="edge"), iterations=round(gap))
    inside = closed[tuple(slice(round(gap) + 1, -round(gap) - 1) for _ in range(2))] | (labels > 0)
    if not inside.any():
        return labels
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.where(inside, labels[tuple(nearest)], 0)


def _at_edge(labels: np.ndarray) -> np.ndarray:
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.unique(edge[edge > 0])
