"""Area, place, axes, solidity and perimeter of all cells of a label map at once.

The values are those of ``skimage.measure.regionprops``, which goes from cell to cell and takes many times as long.

References
----------
``skimage.measure.regionprops``: axes are those of the ellipse with the same second moments; the convex hull goes around
the middles of the pixels' sides.
K. Benkrid, D. Crookes: Design and FPGA implementation of a perimeter estimator (2000).
"""

from __future__ import annotations

import math

import numpy as np

Columns = dict[str, np.ndarray]

# what a pixel of the border adds to the perimeter, by 2 for each neighbour beside it and 10 for each at its corners
STEP = np.zeros(50)
STEP[[5, 7, 15, 17, 25, 27]] = 1
STEP[[21, 33]] = math.sqrt(2)
STEP[[13, 23]] = (1 + math.sqrt(2)) / 2
SHAPES = (
    *("area", "centroid_y", "centroid_x", "bbox_top", "bbox_left", "bbox_bottom", "bbox_right"),
    *("axis_major_length", "axis_minor_length", "orientation", "eccentricity", "solidity", "perimeter"),
)
SIDES = ((0, 1), (1, 0), (0, -1), (-1, 0))
CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def measure_shapes(numbered: np.ndarray, cells: int) -> Columns:
    """Measure the shape of each cell.

    Parameters
    ----------
    numbered : ndarray
        (H, W), integer: the cells' numbers 1 … ``cells``, each of which is there; 0 background.
    cells : int
        Their number.

    Returns
    -------
    dict of ndarray
        (cells,) each: ``area``, ``centroid_y``, ``centroid_x``, ``bbox_top``, ``bbox_left``, ``bbox_bottom``,
        ``bbox_right``, ``axis_major_length``, ``axis_minor_length``, ``orientation``, ``eccentricity``, ``solidity``,
        ``perimeter``; see :func:`unetpipe.morphometry.measure_cells`.

    Examples
    --------
    >>> shapes = measure_shapes(np.array([[1, 1, 0], [1, 1, 2]]), 2)
    >>> shapes["area"].tolist(), shapes["solidity"].tolist(), shapes["bbox_right"].tolist()
    ([4.0, 1.0], [1.0, 1.0], [2, 3])
    """
    if not cells:
        return {name: np.empty(0, np.int64 if name.startswith("bbox") else np.float64) for name in SHAPES}
    owner, row, begin, end = _runs(numbered)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    length = end - begin
    area = np.add.reduceat(length, starts)
    top, bottom = row[starts], np.maximum.reduceat(row, starts) + 1
    left, right = np.minimum.reduceat(begin, starts), np.maximum.reduceat(end, starts)

    # moments from the cell's own corner, so that the sums are whole numbers that a float holds exactly
    y, first, last = row - top[owner], begin - left[owner], end - left[owner]
    sum_x, sum_xx = length * (first + last - 1) / 2, _sum_of_squares(last) - _sum_of_squares(first)
    sums = (y * length, sum_x, y * y * length, sum_xx, y * sum_x)
    mean_y, mean_x, yy, xx, yx = (np.add.reduceat(values, starts) / area for values in sums)
    yy, xx, yx = yy - mean_y**2, xx - mean_x**2, yx - mean_y * mean_x
    half, root = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    major, minor = half + root, np.maximum(half - root, 0)
    turned = 0.5 * np.arctan2(2 * yx, yy - xx)
    round_ones = yy == xx
    return {
        "area": area.astype(float),
        "centroid_y": top + mean_y,
        "centroid_x": left + mean_x,
        "bbox_top": top,
        "bbox_left": left,
        "bbox_bottom": bottom,
        "bbox_right": right,
        "axis_major_length": 4 * np.sqrt(major),
        "axis_minor_length": 4 * np.sqrt(minor),
        "orientation": np.where(round_ones, np.where(yx > 0, math.pi / 4, -math.pi / 4), turned),
        "eccentricity": np.sqrt(1 - np.divide(minor, major, out=np.ones(cells), where=major > 0)),
        "solidity": area / _convex_areas(owner, row, begin, end),
        "perimeter": _perimeters(numbered, cells),
    }


def _perimeters(numbered: np.ndarray, cells: int) -> np.ndarray:
    """Return the perimeter of each cell: the length of a line through the middles of its border pixels."""
    padded = np.pad(numbered, 1)
    border = np.zeros(padded.shape, bool)
    inner = (slice(1, -1), slice(1, -1))

    def shifted(array: np.ndarray, step: tuple[int, int]) -> np.ndarray:
        return array[1 + step[0] : array.shape[0] - 1 + step[0], 1 + step[1] : array.shape[1] - 1 + step[1]]

    for step in SIDES:
        border[inner] |= numbered != shifted(padded, step)
    border[inner] &= numbered > 0
    ys, xs = np.nonzero(border)
    flat, at_border, places = padded.ravel(), border.ravel(), ys * padded.shape[1] + xs
    owners = flat[places]
    codes = np.ones(len(places), np.int64)
    for weight, steps in ((2, SIDES), (10, CORNERS)):
        for y, x in steps:
            beside = places + y * padded.shape[1] + x
            codes += weight * (at_border[beside] & (flat[beside] == owners))
    return np.bincount(owners, weights=STEP[codes], minlength=cells + 1)[1:]


def _runs(numbered: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the runs of pixels of one cell in a row: cell, from 0, row, first column, and the column after the last.

    They are sorted by cell, row and column.
    """
    padded = np.pad(numbered, ((0, 0), (1, 1)))
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
    starts, after = padded[rows, columns + 1], padded[rows, columns]
    begin, end = starts > 0, after > 0
    owner = starts[begin].astype(np.int64) - 1
    order = np.argsort(owner, kind="stable")
    # each row has as many begins as ends, in the same order
    return owner[order], rows[begin][order], columns[begin][order], columns[end][order]


def _sum_of_squares(number: np.ndarray) -> np.ndarray:
    """Return 0² + 1² + … + (number − 1)²."""
    return (number - 1) * number * (2 * number - 1) // 6


def _convex_areas(owner: np.ndarray, row: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the number of pixels whose centres the convex hull of each cell holds, given its runs.

    The hull goes around the middles of the pixels' sides. In half pixels these are whole numbers, so the hull is exact.
    """
    first = np.flatnonzero(np.diff(owner, prepend=-1) | np.diff(row, prepend=-1))  # run of each row of each cell
    last = np.append(first[1:], len(row)) - 1
    owner, row, begin, end = owner[first], row[first], begin[first], end[last]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    heights = row[np.append(starts[1:], len(row)) - 1] - row[starts] + 1
    of_row = np.repeat(np.arange(len(starts)), heights)  # also of rows without pixels, between a cell's pieces
    all_rows = np.arange(len(of_row)) + np.repeat(row[starts] - (np.cumsum(heights) - heights), heights)
    right = _reach(owner, row, end - 1, of_row, all_rows)
    left = _reach(owner, row, -begin, of_row, all_rows)
    return np.bincount(of_row, weights=right + left + 1)


def _reach(owner: np.ndarray, row: np.ndarray, x: np.ndarray, of_row: np.ndarray, all_rows: np.ndarray) -> np.ndarray:
    """Return the column that the hull reaches in each of ``all_rows``, given the last pixel in rows of each cell."""
    # the middles of the pixel's upper, outer and lower side, in half pixels
    owners, y, v = np.tile(owner, 3), np.concatenate([2 * row - 1, 2 * row, 2 * row + 1]), 2 * np.tile(x, 3)
    v[len(x) : 2 * len(x)] += 1
    order = np.lexsort((v, y, owners))
    owners, y, v = owners[order], y[order], v[order]
    corners = np.append(np.diff(owners) | np.diff(y), 1) != 0  # of several points at one height the furthest
    removed = True
    while removed:  # a point on or below the line between its neighbours is not a corner of the hull
        owners, y, v = owners[corners], y[corners], v[corners]
        below = np.diff(v)[:-1] * np.diff(y)[1:] <= np.diff(v)[1:] * np.diff(y)[:-1]
        corners = np.ones(len(y), bool)
        corners[1:-1] = ~below | (owners[:-2] != owners[2:])
        removed = not corners.all()
    span = y.max() + 2
    corner = np.searchsorted(owners * span + y, of_row * span + 2 * all_rows, side="right") - 1
    height, run = y[corner + 1] - y[corner], v[corner + 1] - v[corner]
    return (v[corner] * height + run * (2 * all_rows - y[corner])) // (2 * height)
