"""Cells that partly annotated truth leaves out: where they lie, so that they do not count as background.

A marker without an object in the gold truth is a cell that was not annotated. Its pixels are not known. Its silver
mask shows them, where there is one. Else they are a disc of the median size of the set's cells, and what the image
shows of the cell: the bright (or dark) region that the marker lies in.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.filters import gaussian, threshold_otsu

from unetpipe.io.images import read_labels

LARGEST_REGION = 4  # largest cells of the set, for each marker in a region; a larger region is not of cells only
CONTRAST = 0.3  # share of bright pixels among the marked ones minus that among the others, at least
REACH = 2  # radii of the median cell; a dim cell is looked for within
CLEAR = 3  # standard deviations of the background that a dim cell must differ by
EVERY_NEIGHBOUR = np.ones((3, 3), bool)


class CellSizes(NamedTuple):
    """Sizes of the annotated cells of a set in pixels: the ``median`` and the ``largest``."""

    median: float
    largest: float


def known_pixels(
    label: np.ndarray,
    markers: np.ndarray,
    silver: np.ndarray | None = None,
    image: np.ndarray | None = None,
    sizes: CellSizes | None = None,
) -> np.ndarray:
    """Return where gold truth is known, from the markers of all cells.

    Parameters
    ----------
    label, markers : ndarray
        (H, W), integer: gold truth, and markers of the tracking truth; 0 background.
    silver : ndarray, optional
        (H, W), integer: computer-made truth.
    image : ndarray, optional
        (H, W): grey values. Without them, only discs are unknown where there is no silver mask.
    sizes : CellSizes, optional
        By default those of ``label``.

    Returns
    -------
    ndarray
        (H, W), bool. Pixels of annotated cells are always known.
    """
    unknown = np.zeros(label.shape, bool)
    unseen = []  # cells that have no silver mask either
    for number in unannotated(label, markers):
        marker = markers == number
        mask = None if silver is None else _silver_mask(silver, marker)
        unknown |= marker if mask is None else marker | mask
        if mask is None:
            unseen.append(number)
    if unseen:
        sizes = sizes or cell_sizes([label]) or cell_sizes([markers])
        assert sizes is not None  # there is a marker
        radius = np.sqrt(sizes.median / np.pi)
        rows, columns = np.ogrid[: label.shape[0], : label.shape[1]]
        for y, x in ndimage.center_of_mass(markers > 0, markers, unseen):
            unknown |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        if image is not None:
            unknown |= _shown(image, label, markers, unseen, sizes)
    return ~unknown | (label > 0)


def unannotated(label: np.ndarray, markers: np.ndarray) -> list[int]:
    """Return the markers (H, W) of which less than half lies in an object of the gold truth (H, W)."""
    marked = markers > 0
    pixels, covered = (np.bincount(markers[where]) for where in (marked, marked & (label > 0)))
    covered = np.pad(covered, (0, len(pixels) - len(covered)))
    return np.flatnonzero(2 * covered < pixels).tolist()


def cell_sizes(labels: Sequence[np.ndarray]) -> CellSizes | None:
    """Return the sizes of the cells in instance maps (H, W); None if there is no cell."""
    areas = np.concatenate(
        [np.zeros(0, int), *(np.unique(label[label > 0], return_counts=True)[1] for label in labels)]
    )
    return CellSizes(float(np.median(areas)), float(areas.max())) if len(areas) else None


def sizes_in_files(files: Sequence[Path]) -> CellSizes | None:
    """Return the sizes of the cells in files of instance maps. They are read once, and again when a file changes."""
    return _sizes_in_files(tuple((path, path.stat().st_mtime_ns) for path in files))


@functools.lru_cache(maxsize=16)
def _sizes_in_files(files: tuple[tuple[Path, int], ...]) -> CellSizes | None:
    return cell_sizes([read_labels(path) for path, _ in files])


def _silver_mask(silver: np.ndarray, marker: np.ndarray) -> np.ndarray | None:
    counts = np.bincount(silver[marker])
    counts[0] = 0
    return silver == counts.argmax() if counts.any() else None


def _shown(
    image: np.ndarray, label: np.ndarray, markers: np.ndarray, unseen: Sequence[int], sizes: CellSizes
) -> np.ndarray:
    """Return what the image shows of cells (H, W), bool: the regions on their side of Otsu's threshold, and dim cells.

    A dim cell is the pixels that are connected to its marker, are near it, and have a grey value nearer to the marker's
    than to the background's.
    """
    grey = image.astype(np.float64)
    inside = (markers > 0) | (label > 0)
    found = np.zeros(label.shape, bool)
    if inside.all() or grey.min() == grey.max():
        return found
    if np.median(grey[inside]) < np.median(grey[~inside]):  # dark cells
        grey = -grey
    smooth = gaussian(grey, 1, preserve_range=True)
    threshold = threshold_otsu(grey)
    bright = (grey > threshold) | (smooth > threshold)
    if bright[inside].mean() - bright[~inside].mean() < CONTRAST:
        return found
    regions, _ = ndimage.label(bright, structure=EVERY_NEIGHBOUR)
    areas = np.bincount(regions.ravel())
    marked = np.unique(np.stack([regions[markers > 0], markers[markers > 0]], 1), axis=0)  # region, marker
    marked = marked[marked[:, 0] > 0]
    cells = np.bincount(marked[:, 0], minlength=len(areas))
    candidates = np.unique(marked[np.isin(marked[:, 1], unseen), 0])
    found |= np.isin(regions, candidates[areas[candidates] <= LARGEST_REGION * cells[candidates] * sizes.largest])
    ground = smooth[~inside & ~bright]
    if not ground.size:
        return found
    middle = float(np.median(ground))
    deviation = 1.4826 * float(np.median(np.abs(ground - middle)))
    reach = round(REACH * np.sqrt(sizes.median / np.pi))
    for number in unseen:
        marker = markers == number
        value = float(np.median(smooth[marker]))
        if value > threshold or value < middle + CLEAR * deviation:
            continue
        rows, columns = (
            slice(max(int(place.min()) - reach, 0), int(place.max()) + reach + 1) for place in np.nonzero(marker)
        )
        parts, _ = ndimage.label(smooth[rows, columns] > (middle + value) / 2, structure=EVERY_NEIGHBOUR)
        mine = np.unique(parts[marker[rows, columns]])
        found[rows, columns] |= np.isin(parts, mine[mine > 0])
    return found
