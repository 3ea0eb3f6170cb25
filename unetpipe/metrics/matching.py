"""Match the objects of truth and result by the pixels that they share, also where only a part of the truth is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LARGEST_TABLE = 65535  # highest id that is looked up in a table; maps with higher ids are sorted


@dataclass(frozen=True)
class FrameMatch:
    """The result object that covers more than half of each reference object of a frame.

    Attributes
    ----------
    reference, matched : tuple of int
        Ids of the reference objects, ascending, and of the result object that covers each, 0 for none.
    result : tuple of int
        Ids of the result objects, ascending.
    """

    reference: tuple[int, ...]
    matched: tuple[int, ...]
    result: tuple[int, ...]

    @property
    def missed(self) -> tuple[int, ...]:
        """Reference objects that no result object covers (FN)."""
        return tuple(cell for cell, found in zip(self.reference, self.matched, strict=True) if not found)

    @property
    def spurious(self) -> tuple[int, ...]:
        """Result objects that cover no reference object (FP)."""
        return tuple(sorted(set(self.result) - set(self.matched)))

    @property
    def merging(self) -> tuple[int, ...]:
        """Result objects that cover several reference objects (NS)."""
        return tuple(sorted(found for found, cells in Counter(self.matched).items() if found and cells > 1))


def match_frame(reference: np.ndarray, result: np.ndarray) -> FrameMatch:
    """Find the result object that covers more than half of each reference object.

    Parameters
    ----------
    reference, result : ndarray
        (H, W), integer: 0 background, else the object's id.

    Raises
    ------
    ValueError
        If the maps differ in shape, or hold anything but integers from 0.

    Examples
    --------
    >>> match_frame(np.array([[1, 1, 1, 2, 2]]), np.array([[8, 8, 0, 8, 9]]))
    FrameMatch(reference=(1, 2), matched=(8, 0), result=(8, 9))
    """
    reference_ids, result_ids, shared = overlap(reference, result)
    covers = 2 * shared.counts > shared.row_sizes[shared.rows]
    matched = np.zeros(len(reference_ids), np.int64)
    matched[shared.rows[covers] - 1] = result_ids[shared.columns[covers] - 1]
    return FrameMatch(tuple(reference_ids.tolist()), tuple(matched.tolist()), tuple(result_ids.tolist()))


class SharedPixels(NamedTuple):
    """How many pixels objects of one instance map, the rows, share with objects of another, the columns.

    Only pairs that share pixels are listed: a table of 65,535 objects against as many others would take 32 GiB.

    Attributes
    ----------
    rows, columns, counts : ndarray
        (pairs,), int64: the numbers of the two objects, from 1, and the pixels that they share. Sorted by row, then by
        column.
    row_sizes, column_sizes : ndarray
        (n + 1,) and (m + 1,), int64: pixels of each object; the first is background.
    """

    rows: np.ndarray
    columns: np.ndarray
    counts: np.ndarray
    row_sizes: np.ndarray
    column_sizes: np.ndarray

    @property
    def ious(self) -> np.ndarray:
        """The IoU of each pair: (pairs,), float64."""
        return self.counts / (self.row_sizes[self.rows] + self.column_sizes[self.columns] - self.counts)


def shared_pixels(rows: np.ndarray, columns: np.ndarray, row_count: int, column_count: int) -> SharedPixels:
    """Count the pixels that objects share.

    Parameters
    ----------
    rows, columns : ndarray
        (pixels,), integer: the number of the object at each pixel, from 1; 0 is background.
    row_count, column_count : int
        The highest numbers.

    Examples
    --------
    >>> shared_pixels(np.array([1, 1, 1, 0]), np.array([0, 1, 1, 1]), 1, 1).counts
    array([2])
    """
    both, width = (rows > 0) & (columns > 0), column_count + 1
    keys = rows[both].astype(np.int64) * width + columns[both]
    if (row_count + 1) * width <= rows.size:  # then counting in a table is faster than sorting
        table = np.bincount(keys)
        pairs = np.flatnonzero(table)
        counts = table[pairs]
    else:
        pairs, counts = np.unique(keys, return_counts=True)
    sizes = np.bincount(rows, minlength=row_count + 1), np.bincount(columns, minlength=width)
    return SharedPixels(pairs // width, pairs % width, counts, *sizes)


def overlap(truth: np.ndarray, result: np.ndarray) -> tuple[np.ndarray, np.ndarray, SharedPixels]:
    """Count the pixels that objects of two instance maps share.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.

    Returns
    -------
    truth_ids, result_ids : ndarray
        (n,) and (m,), int64: the ids without 0, ascending; object k of the counts has the id at k - 1.
    shared : SharedPixels
        The counts; rows are objects of the truth.

    Raises
    ------
    ValueError
        If the maps differ in shape, or hold anything but integers from 0.

    Notes
    -----
    ``skimage.metrics.contingency_table`` counts the same, but takes longer, and needs memory for the highest id.

    Examples
    --------
    >>> truth_ids, result_ids, shared = overlap(np.array([[1, 1, 1, 0]]), np.array([[0, 7, 7, 7]]))
    >>> truth_ids, result_ids, shared.counts, shared.ious
    (array([1]), array([7]), array([2]), array([0.5]))
    """
    if truth.shape != result.shape:
        raise ValueError(f"Truth {truth.shape} and result {result.shape} must have the same shape.")
    (truth_ids, rows), (result_ids, columns) = indexed(truth), indexed(result)
    return truth_ids, result_ids, shared_pixels(rows, columns, len(truth_ids), len(result_ids))


def indexed(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of an instance map without 0, rising, and each pixel's place among them, from 1; 0 is background.

    Raises
    ------
    ValueError
        If the map holds anything but integers from 0.
    """
    if labels.dtype.kind not in "biu":
        raise ValueError(f"An instance map holds integer ids, not {labels.dtype}.")
    flat = labels.ravel().astype(np.int64)
    if flat.min(initial=0) < 0:
        raise ValueError(f"An instance map holds ids from 0, not {flat.min()}.")
    if flat.max(initial=0) > LARGEST_TABLE:
        ids, places = np.unique(np.append(flat, 0), return_inverse=True)
        return ids[1:], places[:-1]
    present = np.bincount(flat, minlength=1) > 0
    present[0] = False
    return np.flatnonzero(present), np.where(present, np.cumsum(present), 0)[flat]


def within_known(truth: np.ndarray, result: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Set truth and result to background where nothing is known, so that nothing is counted there.

    A result object with more than half of its pixels there is taken for a cell that was not annotated. It is removed
    as a whole, so that its other pixels are not counted as an invented object.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    known : ndarray
        (H, W), bool: where the truth is known.

    Returns
    -------
    truth, result : ndarray
        (H, W), of their own dtypes.

    Raises
    ------
    ValueError
        If the three differ in shape.

    Examples
    --------
    Object 8 lies mostly where nothing is known; object 7 does not.

    >>> known = np.array([[True, True, True, True, False, False]])
    >>> within_known(np.array([[1, 1, 1, 0, 0, 0]]), np.array([[7, 7, 0, 8, 8, 8]]), known)
    (array([[1, 1, 1, 0, 0, 0]]), array([[7, 7, 0, 0, 0, 0]]))
    """
    if known.shape != truth.shape:
        raise ValueError(f"Known pixels {known.shape} and truth {truth.shape} must have the same shape.")
    _, ids, shared = overlap(~known, result)
    if known.all():
        return truth, result
    unannotated = ids[shared.columns[2 * shared.counts > shared.column_sizes[shared.columns]] - 1]
    return np.where(known, truth, 0), np.where(known & ~np.isin(result, unannotated), result, 0)
