"""Find the mistakes in a frame: cells missed, merged and split, and objects invented."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from unetpipe.metrics.matching import match_frame, overlap, within_known
from unetpipe.metrics.seg_det_tra import object_jaccards

SMALLEST_PIECE = 0.1  # of the cell's pixels; a smaller object is too small to split a cell


class Merge(NamedTuple):
    """An object of the result that covers more than half of each of several cells."""

    result: int
    cells: tuple[int, ...]


class Split(NamedTuple):
    """A cell that the result cuts into several objects, its pieces."""

    cell: int
    pieces: tuple[int, ...]


@dataclass(frozen=True)
class FrameMistakes:
    """The cells of a frame and the mistakes of the result. Ids are those of the two instance maps.

    Attributes
    ----------
    cells : tuple of int
        Ids of the truth, ascending.
    jaccards : tuple of float
        The Jaccard index of each cell with the object that covers more than half of it, 0 if none does; their mean is
        SEG.
    missed : tuple of int
        Cells that no object covers by more than half, and that are not split.
    merged : tuple of Merge
        Objects that cover more than half of each of several cells.
    split : tuple of Split
        Cells that several pieces together cover by more than half. A piece is an object that has more than half of its
        pixels in the cell, fills at least a tenth of the cell, and is not matched with another cell. If the largest
        piece covers more than half of the cell, it also counts in ``jaccards``.
    invented : tuple of int
        Objects that cover no cell by more than half, are not a piece of a split cell, and have at least half of their
        pixels where the truth is known.
    """

    cells: tuple[int, ...]
    jaccards: tuple[float, ...]
    missed: tuple[int, ...]
    merged: tuple[Merge, ...]
    split: tuple[Split, ...]
    invented: tuple[int, ...]

    @property
    def quality(self) -> float:
        """Mean Jaccard index, where each invented object counts as a cell with 0; 1 if there is neither."""
        objects = len(self.cells) + len(self.invented)
        return sum(self.jaccards) / objects if objects else 1.0

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of cells missed, cells merged with another, cells split, and objects invented."""
        return {
            "missed": len(self.missed),
            "merged": sum(len(merge.cells) for merge in self.merged),
            "split": len(self.split),
            "invented": len(self.invented),
        }


def find_mistakes(truth: np.ndarray, result: np.ndarray, known: np.ndarray | None = None) -> FrameMistakes:
    """Find what is wrong with each cell of the truth and each object of the result.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    known : ndarray, optional
        (H, W), bool: where the truth is known; by default everywhere.

    Raises
    ------
    ValueError
        If the arrays differ in shape, or truth or result hold anything but integers from 0.

    Examples
    --------
    Object 7 covers the cells 1 and 2, cell 3 is missed, and object 9 is invented.

    >>> mistakes = find_mistakes(np.array([[1, 1, 2, 2, 0, 3, 3, 0, 0]]), np.array([[7, 7, 7, 7, 0, 0, 0, 0, 9]]))
    >>> mistakes.merged, mistakes.missed, mistakes.invented
    ((Merge(result=7, cells=(1, 2)),), (3,), (9,))
    """
    match = match_frame(truth, result)
    groups: dict[int, list[int]] = {found: [] for found in match.merging}
    for cell, found in zip(match.reference, match.matched, strict=True):
        if found in groups:
            groups[found].append(cell)
    split = _find_split(truth, result, match.reference, match.matched, set(groups))
    pieces = {piece for cell in split for piece in cell.pieces}
    judged = result if known is None else within_known(truth, result, known)[1]
    unknown = set(match.result) - set(np.unique(judged).tolist())
    return FrameMistakes(
        cells=match.reference,
        jaccards=tuple(object_jaccards(truth, result).tolist()),
        missed=tuple(cell for cell in match.missed if cell not in {item.cell for item in split}),
        merged=tuple(Merge(found, tuple(cells)) for found, cells in sorted(groups.items())),
        split=split,
        invented=tuple(found for found in match.spurious if found not in pieces | unknown),
    )


def _find_split(
    truth: np.ndarray, result: np.ndarray, cells: tuple[int, ...], matched: tuple[int, ...], merging: set[int]
) -> tuple[Split, ...]:
    """Find the split cells; a cell that is merged with another does not count as split."""
    _, result_ids, shared = overlap(truth, result)
    sizes = shared.row_sizes[shared.rows]
    piece = (2 * shared.counts > shared.column_sizes[shared.columns]) & (shared.counts >= SMALLEST_PIECE * sizes)
    owner = {found: cell for cell, found in zip(cells, matched, strict=True) if found}
    pieces: dict[int, list[int]] = {}  # the ids of the pieces of each cell, and below the pixels of these in it
    covered: Counter[int] = Counter()
    for row, column, count in zip(shared.rows[piece], shared.columns[piece], shared.counts[piece], strict=True):
        cell, found = cells[row - 1], int(result_ids[column - 1])
        if owner.get(found, cell) == cell:
            pieces.setdefault(cell, []).append(found)
            covered[cell] += int(count)
    return tuple(
        Split(cell, tuple(pieces[cell]))
        for cell, found, size in zip(cells, matched, shared.row_sizes[1:].tolist(), strict=True)
        if len(pieces.get(cell, ())) > 1 and found not in merging and 2 * covered[cell] > size
    )
