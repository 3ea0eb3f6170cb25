"""What a set of label maps says of its cells: number, size, how many touch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from unetpipe.datasets.layouts import read_truth
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError


class CellStatistics(NamedTuple):
    """Number of ``cells`` in some frames, median ``area`` (px), its ``diameter`` (px), share that is ``touching``."""

    cells: int
    area: float
    diameter: float
    touching: float


def measure_cells(labels: Iterable[np.ndarray]) -> CellStatistics:
    """Measure instance maps (H, W). A cell touches if one of its pixels has another cell above, below, left or right.

    Raises
    ------
    InputError
        If there is no cell at all.
    """
    areas: list[np.ndarray] = []
    touching = 0
    for label in labels:
        areas.append(np.unique(label[label > 0], return_counts=True)[1])
        touching += len(touching_cells(label))
    every = np.concatenate(areas) if areas else np.zeros(0)
    if len(every) == 0:
        raise InputError("The truth holds no cell: every label map is 0 throughout.")
    area = float(np.median(every))
    return CellStatistics(len(every), area, float(2 * np.sqrt(area / np.pi)), touching / len(every))


def touching_cells(label: np.ndarray) -> np.ndarray:
    """Return the ids of the cells of (H, W) that meet another cell."""
    found = [np.zeros(0, label.dtype)]
    for one, other in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
        meet = (one > 0) & (other > 0) & (one != other)
        found += [one[meet], other[meet]]
    return np.unique(np.concatenate(found))


def measure_records(records: Sequence[Record]) -> CellStatistics:
    """Measure the cells in the label maps of records."""
    return measure_cells(read_truth(record)[0] for record in records)


def smallest_cell(records: Sequence[Record], share: float = 0.1) -> int:
    """Return the size in pixels below which an object is taken for debris: a share of the median cell."""
    return round(share * measure_records(records).area)


def balanced_weights(records: Sequence[Record]) -> list[float]:
    """Return the probability of drawing each record so that all sequences are drawn equally often.

    Within a sequence all records have the same chance; a sequence of one image gets as many draws as one of
    twenty. The weights are for ``torch.utils.data.WeightedRandomSampler``.

    Examples
    --------
    >>> balanced_weights([{"sequence": "a"}, {"sequence": "b"}, {"sequence": "b"}])
    [0.5, 0.25, 0.25]
    """
    # the images of an annotation tool have no sequence: each is one
    sequences = [record.get("sequence", record.get("image")) for record in records]
    members = Counter(sequences)
    return [1 / (len(members) * members[sequence]) for sequence in sequences]
