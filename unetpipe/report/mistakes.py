"""What is wrong in a frame, in a biologist's words: cells missed, merged and split, and objects invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from unetpipe.metrics.matching import match_frame, overlap, within_known
from unetpipe.metrics.seg_det_tra import object_jaccards

SMALLEST_PIECE = 0.1  # of the cell; a speck beside a cell that was found does not split it


class Merge(NamedTuple):
    """An object of the result that covers more than half of each of several cells."""

    result: int
    cells: tuple[int, ...]


class Split(NamedTuple):
    """A cell that lies in several pieces, which are objects of the result."""

    cell: int
    pieces: tuple[int, ...]


@dataclass(frozen=True)
class FrameMistakes:
    """The cells of a frame and what the result makes of them; ids are those of the two instance maps.

    Attributes
    ----------
    cells : tuple of int
        Ids of the truth, ascending.
    jaccards : tuple of float
        Of each cell, with the object that covers more than half of it; 0 where none does. Their mean is SEG.
    missed : tuple of int
        Cells of which no object covers more than half, unless they are split.
    merged : tuple of Merge
        Objects that cover more than half of each of several cells.
    split : tuple of Split
        Cells of which several pieces cover more than half together. A piece is an object with more than half of its
        pixels in the cell, at least a tenth of the cell large there, that stands for no other cell. The largest piece
        may cover more than half on its own: then it counts in ``jaccards``.
    invented : tuple of int
        Objects that cover no cell by more than half, are no piece of a split one, and do not lie, by more than
        half, where the truth is not known.
    """

    cells: tuple[int, ...]
    jaccards: tuple[float, ...]
    missed: tuple[int, ...]
    merged: tuple[Merge, ...]
    split: tuple[Split, ...]
    invented: tuple[int, ...]

    @property
    def quality(self) -> float:
        """The mean Jaccard index, 0 … 1, where each invented object counts as a cell of 0; 1 without either."""
        objects = len(self.cells) + len(self.invented)
        return sum(self.jaccards) / objects if objects else 1.0

    @property
    def counts(self) -> dict[str, int]:
        """How many: cells missed, cells merged with another, cells split, objects invented."""
        return {
            "missed": len(self.missed),
            "merged": sum(len(merge.cells) for merge in self.merged),
            "split": len(self.split),
            "invented": len(self.invented),
        }


def find_mistakes(truth: np.ndarray, result: np.ndarray, known: np.ndarray | None = None) -> FrameMistakes:
    """Say of each cell and each object of a frame what is wrong with it.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    known : ndarray, optional
        (H, W), bool: where the truth is known; by default everywhere.

    Raises
    ------
    ValueError
        If the arrays differ in shape, or truth or result are no integers from 0.
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
    """Find the cells in pieces; a cell that is merged with another is not split as well."""
    _, result_ids, counts = overlap(truth, result)
    shared, sizes = counts[1:, 1:], counts[1:].sum(1)
    piece = (2 * shared > counts[:, 1:].sum(0)) & (shared >= SMALLEST_PIECE * sizes[:, None])
    owner = {found: cell for cell, found in zip(cells, matched, strict=True) if found}
    found_split = []
    for row, (cell, found) in enumerate(zip(cells, matched, strict=True)):
        columns = [c for c in np.flatnonzero(piece[row]) if owner.get(int(result_ids[c]), cell) == cell]
        covered = shared[row][columns].sum()
        if len(columns) > 1 and found not in merging and 2 * covered > sizes[row]:
            found_split.append(Split(cell, tuple(result_ids[columns].tolist())))
    return tuple(found_split)
