"""Link segmented cells from frame to frame by overlap, with divisions and short gaps."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from unetpipe.datasets.results import TRACK_TABLE, mask_names, read_mask, result_masks
from unetpipe.errors import InputError
from unetpipe.files import check_folder, writing
from unetpipe.io.images import write_labels
from unetpipe.io.track_tables import Track, write_tracks
from unetpipe.metrics.matching import overlap


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
        if not (0 <= min_iou < 1 and 0 <= daughter_ratio <= 1 and max_gap >= 0):
            raise InputError(
                f"min_iou={min_iou}, daughter_ratio={daughter_ratio} and max_gap={max_gap} do not fit: the first "
                "two must be between 0 and 1 (min_iou below 1), the last a number of frames from 0."
            )
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
        before, ids, counts = overlap(last, instances)
        cells = np.searchsorted(np.append(0, ids), instances)  # numbered 1 … n
        sizes = counts.sum(0)
        union = counts.sum(1)[1:, None] + sizes[None, 1:] - counts[1:, 1:]
        same = {cell + 1: row for row, cell in _best_pairs(counts[1:, 1:] / union, self.min_iou)}
        free = [cell for cell in range(1, len(ids) + 1) if cell not in same]
        parents = self._find_lost(cells, sizes, free)
        divided = self._divisions(counts, same, [cell for cell in free if cell not in parents])
        parents |= {cell: int(before[row]) for cell, row in divided.items()}
        labels = np.zeros(len(ids) + 1, np.int32)
        for cell in range(1, len(labels)):
            if cell in same and cell not in divided:
                labels[cell] = before[same[cell]]
                self._tracks[labels[cell].item()] = self._tracks[labels[cell].item()]._replace(end=self._frame)
            else:
                labels[cell] = len(self._tracks) + 1
                track = Track(labels[cell].item(), self._frame, self._frame, parents.get(cell, 0))
                self._tracks[track.label] = track
        gone = np.delete(before, list(same.values())).tolist()
        self._lost |= {label: np.flatnonzero(last == label) for label in gone}
        self._last = labels[cells]
        return self._last

    def _find_lost(self, cells: np.ndarray, sizes: np.ndarray, free: list[int]) -> dict[int, int]:
        """Return the label of the lost track that each free cell continues, for the cells that continue one."""
        first = self._frame - 1 - self.max_gap
        self._lost = {label: places for label, places in self._lost.items() if self._tracks[label].end >= first}
        ious = np.zeros((len(self._lost), len(free)))
        for row, places in zip(ious, self._lost.values(), strict=True):
            shared = np.bincount(cells.ravel()[places], minlength=len(sizes))[free]
            row[:] = shared / (len(places) + sizes[free] - shared)
        labels = list(self._lost)
        found = {free[column]: labels[row] for row, column in _best_pairs(ious, self.min_iou)}
        for label in found.values():
            del self._lost[label]
        return found

    def _divisions(self, counts: np.ndarray, same: dict[int, int], free: list[int]) -> dict[int, int]:
        """Return both daughters of each division, and the row of their parent among the cells of the last frame."""
        shared, before, sizes = counts[1:], counts[1:].sum(1), counts.sum(0)

        def iou(row: int, *cells: int) -> float:
            both = shared[row, list(cells)].sum()
            return both / (before[row] + sizes[list(cells)].sum() - both)

        gains = [
            (iou(row, cell, other) - iou(row, cell), row, cell, other)
            for other in free
            for cell, row in same.items()
            if shared[row, other]
            and min(sizes[cell], sizes[other]) >= self.daughter_ratio * max(sizes[cell], sizes[other])
        ]
        divided: dict[int, int] = {}
        for gain, row, cell, other in sorted(gains, reverse=True):  # the clearest division first
            if gain > 0 and cell not in divided and other not in divided:
                divided |= {cell: row, other: row}
        return divided


def link_cells(frames: Iterable[np.ndarray], linker: CellLinker | None = None) -> tuple[list[np.ndarray], list[Track]]:
    """Link a whole sequence in memory.

    Parameters
    ----------
    frames : iterable of ndarray
        Instance maps (H, W), integer, of one size, in the order of time.
    linker : CellLinker, optional
        An unused one with your own parameters; by default one with the default parameters.

    Returns
    -------
    maps : list of ndarray
        (H, W), int32: track labels, 0 background.
    tracks : list of Track
        The track table.

    Examples
    --------
    A cell divides: track 1 is the parent of the tracks 2 and 3.

    >>> maps, tracks = link_cells([np.array([[4, 4, 4, 4]]), np.array([[1, 1, 2, 2]])])
    >>> maps[1]
    array([[2, 2, 3, 3]], dtype=int32)
    >>> [(track.label, track.parent) for track in tracks]
    [(1, 0), (2, 1), (3, 1)]
    """
    linker = linker or CellLinker()
    return [linker(frame) for frame in frames], linker.tracks


def write_result(
    folder: str | os.PathLike, frames: Iterable[np.ndarray], linker: CellLinker | None = None, digits: int = 3
) -> list[Track]:
    """Link a sequence and write it as a result of the Cell Tracking Challenge, one frame at a time.

    Parameters
    ----------
    folder : path
        Receives ``mask000.tif`` … (16-bit labels) and, when all are written, ``res_track.txt``. In a submission it is
        called ``NN_RES``.
    frames, linker
        See :func:`link_cells`. If frames come from a generator, only one is in memory at a time.
    digits : int
        Digits of the frame number, as in the names of the images: 3, or 4 for more than 1000 frames.

    Returns
    -------
    list of Track

    Raises
    ------
    InputError
        If there is no frame, a label would exceed 65535, the folder cannot be written, or it holds masks of an older,
        longer sequence.
    """
    linker, folder = linker or CellLinker(), Path(folder)
    written = []
    for number, frame in enumerate(frames):
        written.append(f"mask{number:0{digits}d}.tif")
        write_labels(folder / written[-1], linker(frame))
    if not written:
        raise InputError(f"There is no frame to write to {folder}.")
    older = sorted({path.name for path in folder.glob("mask*.tif")} - set(written))
    if older:
        raise InputError(
            f"{folder} holds {older[0]} besides the {len(written)} masks just written; use an empty folder."
        )
    write_tracks(folder / "res_track.txt", linker.tracks)
    return linker.tracks


def _best_pairs(ious: np.ndarray, min_iou: float) -> list[tuple[int, int]]:
    """Pair rows and columns so that the sum of the IoUs is highest; only IoUs above ``min_iou`` count."""
    useful = np.where(ious > min_iou, ious, 0)
    rows, columns = linear_sum_assignment(useful, maximize=True)
    return [(row, column) for row, column in zip(rows.tolist(), columns.tolist(), strict=True) if useful[row, column]]


def link_folder(
    folder: str | os.PathLike, output: str | os.PathLike | None = None, linker: CellLinker | None = None
) -> list[Track]:
    """Link the masks ``mask000.tif``, ``mask001.tif`` … of a folder and write them with ``res_track.txt``.

    All masks are read and checked before the first one is written.

    Parameters
    ----------
    folder : path
        Masks of one sequence, from frame 0 without a gap. Ids may differ from frame to frame.
    output : path, optional
        Folder for the result; by default the masks are replaced in ``folder``. Outlines stay the same. The table is
        removed first and written last. If the program is interrupted, some masks have new ids, and linking again
        gives the same result.
    linker : CellLinker, optional
        See :func:`link_cells`.

    Returns
    -------
    list of Track

    Raises
    ------
    InputError
        If there are no masks, a frame is missing, a mask cannot be read, differs in size or holds values other than
        whole numbers from 0 to 65535, no mask holds a cell, or the output cannot be written or holds other masks.
    """
    folder = Path(folder)
    target = folder if output is None else Path(output)
    masks = result_masks(folder)
    check_complete(masks, str(folder))
    digits = len(masks[0].stem.removeprefix("mask"))
    _check_masks(list(masks.values()))
    check_target(target, {f"mask{frame:0{digits}d}.tif" for frame in masks})
    with writing(target):
        remove_tracks(target)
        return write_result(target, map(read_mask, masks.values()), linker, digits)


def check_complete(frames: Collection[int], folder: str, stem: str = "mask") -> None:
    """Raise InputError, naming the missing files, unless frames run from 0 without a gap."""
    present = set(frames)
    # not all of them: a frame may be called mask99999999999.tif
    missing = set(itertools.islice((frame for frame in range(max(present)) if frame not in present), 1000))
    if missing:
        raise InputError(
            f"{folder} lacks {mask_names(missing, stem)}; the frames of a sequence must run from 0 without a gap."
        )


def check_target(folder: Path, names: Collection[str]) -> None:
    """Check that a folder can be written and holds no masks other than those named.

    Raises
    ------
    InputError
        If it cannot be written, or holds another mask, which is named.
    """
    check_folder(folder)
    others = sorted({path.name for path in folder.glob("mask*.tif*")} - set(names))
    if others:
        raise InputError(
            f"{folder} holds {others[0]} besides the masks of this sequence ({min(names)} to {max(names)}); use "
            "another folder, or remove that file."
        )


def remove_tracks(folder: Path) -> None:
    """Remove the old track table, which will not fit the new masks; InputError if it cannot be removed."""
    try:
        (folder / TRACK_TABLE).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{folder / TRACK_TABLE} cannot be replaced ({error.strerror}).") from error


def _check_masks(paths: list[Path]) -> None:
    shape, cells = None, False
    for path in paths:
        mask = read_mask(path)
        shape = shape or mask.shape
        if mask.shape != shape:
            raise InputError(f"{path} is {mask.shape} pixels, {paths[0]} is {shape}; they must be alike.")
        cells = cells or bool(mask.any())
    if not cells:
        raise InputError(f"No mask in {paths[0].parent} holds a cell, so there is nothing to link.")
