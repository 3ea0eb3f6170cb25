"""Distances to the nearest and the second nearest cell, at a cost that does not grow with the number of cells."""

from __future__ import annotations

import numpy as np


def two_nearest_distances(instances: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Euclidean distance of each pixel to the nearest and to the second nearest cell.

    The squares of both are found first along columns, then along rows: the two nearest cells of a pixel are, in the
    column where each of them is nearest, among that column's two nearest.

    Parameters
    ----------
    instances : ndarray
        (H, W), integers: 0 background, every other value, above 0, one cell.
    reach : int
        Pixels up to which the sum of both distances is wanted.

    Returns
    -------
    nearest, second : ndarray
        (H, W), float32, pixels. Where the sum of both exceeds ``reach``, all that they say is that it does.

    References
    ----------
    The separation into columns and rows: A. Meijster, J. Roerdink, W. Hesselink, A general algorithm for computing
    distance transforms in linear time, 2000; here with bounded reach, for two cells at once.
    """
    far = 2 * reach**2 + 1  # with the square of one more offset still a number of 16 bits
    small = far + reach**2 <= np.iinfo(np.int16).max and instances.max(initial=0) <= np.iinfo(np.int16).max
    cell = instances.T.astype("int16" if small else "int32")
    nearest = np.where(cell > 0, 0, far).astype(cell.dtype)
    nearest, second, cell = _along_rows(nearest, np.full_like(nearest, far), cell, reach, reach, far)
    # where the nearest is farther than half the reach, so is the second
    nearest, second, _ = _along_rows(nearest.T, second.T, cell.T, reach // 2, reach, far)
    return _root(nearest, reach), _root(second, reach)


def _along_rows(
    nearest: np.ndarray, second: np.ndarray, cell: np.ndarray, first_reach: int, reach: int, far: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the least squares over what each pixel's row offers, of two different cells, and the nearest one's number.

    ``nearest`` and ``second`` are the squared distances to ``cell`` and to the next one in other directions;
    ``first_reach`` limits the search for the nearest, ``reach`` that for the second.
    """
    bits = 8 * nearest.itemsize
    nearest, second, cell = (
        np.pad(np.ascontiguousarray(part), ((0, 0), (reach, reach)), constant_values=nothing)
        for part, nothing in ((nearest, far), (second, far), (cell, 0))
    )
    inner = slice(reach, nearest.shape[1] - reach)

    packed = np.left_shift(nearest, bits, dtype=f"int{2 * bits}") | cell  # so the least square brings its cell along
    best, offer = packed[:, inner].copy(), np.empty_like(packed[:, inner])
    for offset in range(1, first_reach + 1):
        before, after = _beside(inner, offset)
        np.minimum(packed[:, before], packed[:, after], out=offer)
        offer += offset**2 << bits
        np.minimum(best, offer, out=best)
    owner = (best & ((1 << bits) - 1)).astype(cell.dtype)

    rest = second - nearest
    other, offer = np.full_like(owner, far), np.empty_like(owner)
    for offset in range(reach + 1):
        for side in _beside(inner, offset):
            np.multiply(rest[:, side], (cell[:, side] == owner).view(np.int8), out=offer)  # no masks: they are slow
            offer += nearest[:, side]
            offer += nearest.dtype.type(offset**2)
            np.minimum(other, offer, out=other)
    return np.minimum(best >> bits, far).astype(nearest.dtype), other, owner


def _beside(inner: slice, offset: int) -> tuple[slice, slice]:
    return slice(inner.start - offset, inner.stop - offset), slice(inner.start + offset, inner.stop + offset)


def _root(square: np.ndarray, reach: int) -> np.ndarray:
    return np.where(square > reach**2, np.inf, np.sqrt(square, dtype=np.float32))
