"""Link cells by the overlap of their outlines, with divisions and short gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from unetpipe.errors import InputError
from unetpipe.io.track_tables import Track
from unetpipe.metrics.matching import SharedPixels, indexed, shared_pixels
from unetpipe.tracking.linkers import check_gap

TIE = 1e-9  # of IoU: what the age of a track counts


class CellLinker:
    """Give the cells of a sequence labels that stay the same from frame to frame.

    Call it with one instance map after another, in the order of time; ``tracks`` is the table so far. A frame is
    linked in four steps:

    1. Cells of the previous frame and of this one are paired so that the sum of their IoUs is highest.
    2. Cells without a partner are paired in the same way with tracks that were lost up to ``max_gap`` frames ago, at
       the place where these were last seen. Such a cell begins a new track whose parent is the lost track. This is
       how the Cell Tracking Challenge writes a gap. No mask is invented for the frames in between.
    3. A cell that still has no partner and a neighbour that has one become the daughters of a division, if they are
       of similar size and together overlap the parent better than the neighbour does without the cell.
    4. Every other cell begins a track without a parent.

    Parameters
    ----------
    min_iou : float
        Cells are paired if their IoU is above this. It is above 0 because touching cells that move overlap each
        other's old place a little.
    max_gap : int
        Number of frames that a cell may be missing. After a longer time another cell may have taken its place.
    daughter_ratio : float
        The size of the smaller daughter divided by that of the larger one is at least this, so that a splinter does
        not count as a daughter.

    Raises
    ------
    InputError
        If a parameter is out of range, or a frame's size differs from that of the frames before.

    Examples
    --------
    >>> linker = CellLinker()
    >>> linker(np.array([[5, 5, 0, 2]])), linker(np.array([[8, 8, 0, 3]]))
    (array([[2, 2, 0, 1]], dtype=int32), array([[2, 2, 0, 1]], dtype=int32))
    >>> linker.tracks
    [Track(label=1, begin=0, end=1, parent=0), Track(label=2, begin=0, end=1, parent=0)]
    """

    def __init__(self, min_iou: float = 0.1, max_gap: int = 2, daughter_ratio: float = 1 / 3) -> None:
        if not (0 <= min_iou < 1 and 0 <= daughter_ratio <= 1):
            raise InputError(
                f"min_iou={min_iou} and daughter_ratio={daughter_ratio} do not fit: both must be between 0 and 1, "
                "min_iou below 1."
            )
        check_gap(max_gap)
        self.min_iou = min_iou
        self.max_gap = max_gap
        self.daughter_ratio = daughter_ratio
        self._frame = -1
        self._last: np.ndarray | None = None
        self._tracks: dict[int, Track] = {}
        self._lost: dict[int, np.ndarray] = {}  # label: flat indices of the pixels where it was last seen

    @property
    def tracks(self) -> list[Track]:
        """The track table of the frames so far, by label."""
        return list(self._tracks.values())

    def __call__(self, instances: np.ndarray) -> np.ndarray:
        """Link the next frame, (H, W), integer, 0 background, and return it as (H, W), int32, with track labels."""
        last = np.zeros(instances.shape, np.int32) if self._last is None else self._last
        if instances.shape != last.shape:
            raise InputError(
                f"Frame {self._frame + 1} is {instances.shape} pixels, the frames before it are {last.shape}."
            )
        self._frame += 1
        (before, old), (ids, cells) = indexed(last), indexed(instances)
        shared = shared_pixels(old, cells, len(before), len(ids))
        same = {cell: row for row, cell in _best_pairs(shared, self.min_iou)}
        free = [cell for cell in range(1, len(ids) + 1) if cell not in same]
        parents = self._find_lost(cells, shared.column_sizes, free)
        divided = self._divisions(shared, same, set(free) - set(parents))
        parents |= {cell: int(before[row - 1]) for cell, row in divided.items()}
        labels = np.zeros(len(ids) + 1, np.int32)
        for cell in range(1, len(labels)):
            if cell in same and cell not in divided:
                labels[cell] = before[same[cell] - 1]
                self._tracks[labels[cell].item()] = self._tracks[labels[cell].item()]._replace(end=self._frame)
            else:
                labels[cell] = len(self._tracks) + 1
                track = Track(labels[cell].item(), self._frame, self._frame, parents.get(cell, 0))
                self._tracks[track.label] = track
        gone = np.delete(np.arange(1, len(before) + 1), [row - 1 for row in same.values()])
        places = np.flatnonzero(np.isin(old, gone))
        places = places[np.argsort(old[places], kind="stable")]
        ends = np.cumsum(shared.row_sizes[gone])[:-1]
        self._lost |= dict(zip(before[gone - 1].tolist(), np.split(places, ends), strict=False))
        self._last = labels[cells].reshape(instances.shape)
        return self._last

    def link(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the frames with track labels; see :meth:`unetpipe.tracking.linkers.Linker.link`."""
        return map(self, frames)

    def _find_lost(self, cells: np.ndarray, sizes: np.ndarray, free: list[int]) -> dict[int, int]:
        """Return the label of the lost track that each free cell continues, for the cells that continue one."""
        first = self._frame - 1 - self.max_gap
        self._lost = {label: places for label, places in self._lost.items() if self._tracks[label].end >= first}
        labels = [0, *self._lost]
        numbers = np.repeat(np.arange(1, len(labels)), [len(places) for places in self._lost.values()])
        places = np.concatenate([np.empty(0, np.int64), *self._lost.values()])
        is_free = np.zeros(len(sizes), bool)
        is_free[free] = True
        there = np.where(is_free[cells[places]], cells[places], 0)
        shared = shared_pixels(numbers, there, len(labels) - 1, len(sizes) - 1)._replace(column_sizes=sizes)
        found = {cell: labels[row] for row, cell in _best_pairs(shared, self.min_iou)}
        for label in found.values():
            del self._lost[label]
        return found

    def _divisions(self, shared: SharedPixels, same: dict[int, int], free: set[int]) -> dict[int, int]:
        """Return both daughters of each division, and the number of their parent among the cells of the last frame."""
        counts = {(row, cell): count for row, cell, count in zip(*map(np.ndarray.tolist, shared[:3]), strict=True)}
        partner = {row: cell for cell, row in same.items()}
        sizes = shared.column_sizes.tolist()

        def iou(row: int, *cells: int) -> float:
            both = sum(counts[row, cell] for cell in cells)
            return both / (shared.row_sizes[row] + sum(sizes[cell] for cell in cells) - both)

        gains = []
        for row, other in counts:
            cell = partner.get(row)
            if cell is None or other not in free:
                continue
            if min(sizes[cell], sizes[other]) >= self.daughter_ratio * max(sizes[cell], sizes[other]):
                gains.append((iou(row, cell, other) - iou(row, cell), row, cell, other))
        divided: dict[int, int] = {}
        for gain, row, cell, other in sorted(gains, reverse=True):  # the clearest division first
            if gain > 0 and cell not in divided and other not in divided:
                divided |= {cell: row, other: row}
        return divided


def _best_pairs(shared: SharedPixels, min_iou: float) -> list[tuple[int, int]]:
    """Pair rows and cells so that the sum of the IoUs is highest; only IoUs above ``min_iou`` count."""
    ious = shared.ious
    useful = ious > min_iou
    rows, columns = shared.rows[useful] - 1, shared.columns[useful] - 1
    if not len(rows):
        return []
    # Each row also has a column of its own, which leaves it without a partner. 1 is added because a weight of 0 means
    # no edge. If sums are equal, older tracks go first.
    count, width = len(shared.row_sizes) - 1, len(shared.column_sizes) - 1
    weights = np.concatenate([1 + ious[useful] - TIE * rows / count, np.ones(count)])
    edges = np.append(rows, np.arange(count)), np.append(columns, width + np.arange(count))
    graph = csr_array((weights, edges), shape=(count, width + count))
    paired, partners = min_weight_full_bipartite_matching(graph, maximize=True)
    chosen = partners < width
    return list(zip((paired[chosen] + 1).tolist(), (partners[chosen] + 1).tolist(), strict=True))
