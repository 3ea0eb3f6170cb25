"""Cutting cells that touch between their confident centres, and merging parts without a membrane between them."""

from __future__ import annotations

import heapq

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

PEAK_SMOOTHING = 2.0  # px
PEAK_WINDOW = 7  # px


def inner_peaks(confident: np.ndarray) -> np.ndarray:
    """Number the places of (H, W) that lie deepest inside the confident pixels; a long cell has several.

    They are the maxima, within 7 × 7 pixels, of the Euclidean distance to other pixels, smoothed by a Gaussian of 2 px.
    """
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(confident), PEAK_SMOOTHING)
    peaks = (ndimage.maximum_filter(depth, PEAK_WINDOW) == depth) & confident
    return ndimage.label(peaks)[0].astype(np.int32)


def split_at_markers(probability: np.ndarray, cells: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """Cut each component that holds several markers along the valleys of the probability between them.

    Each component is flooded from its own markers, the most probable pixels first (watershed), so its parts do not
    depend on the rest of the image. A component with one marker or none does not change.

    Parameters
    ----------
    probability : ndarray
        (H, W), float, 0 … 1: the probability of "cell".
    cells : ndarray
        (H, W), int32: 0 background, 1 … n, each 4-connected.
    markers : ndarray
        (H, W), int32: 0, or the marker's number; markers lie inside cells.

    Returns
    -------
    ndarray
        (H, W), int32: 0 where ``cells`` is 0, else 1 … m; the first part keeps the component's number.

    References
    ----------
    F. Meyer: Un algorithme optimal pour la ligne de partage des eaux, RFIA 1991.
    """
    parted = cells.copy()
    count = int(cells.max(initial=0))
    boxes = ndimage.find_objects(cells)
    for number in _with_several(cells, markers):
        box = boxes[number - 1]
        inside = cells[box] == number
        seeds = np.where(inside, markers[box], 0)
        places = np.nonzero(seeds)
        seeds[places] = np.unique(seeds[places], return_inverse=True)[1] + 1
        parts = watershed(1 - probability[box], seeds, connectivity=1, mask=inside)
        parted[box][parts > 1] = parts[parts > 1] + count - 1
        count += int(parts.max()) - 1
    return parted


def _with_several(cells: np.ndarray, markers: np.ndarray) -> list[int]:
    """Return the numbers of the cells that hold several markers."""
    marked = (markers > 0) & (cells > 0)
    base = int(markers.max(initial=0)) + 1
    pairs = cells[marked].astype(np.int64) * base + markers[marked]
    pairs = np.unique(pairs[np.diff(pairs, prepend=-1) != 0])  # pixels in a row are mostly alike
    return np.flatnonzero(np.bincount(pairs // base) > 1).tolist()


def merge_open_borders(probability: np.ndarray, parts: np.ndarray, threshold: float) -> np.ndarray:
    """Merge neighbouring parts whose common border has a mean membrane probability below a threshold.

    The most open border is removed first. After each merge, the mean of the borders that both parts shared with a
    third is computed again (average linkage). One leaking pixel joins nothing, because the whole border counts.

    Parameters
    ----------
    probability : ndarray
        (H, W), float, 0 … 1: the probability of "cell"; membrane is 1 minus it.
    parts : ndarray
        (H, W), int32: 0 background, 1 … n. Parts are neighbours where their pixels are (4-connected).
    threshold : float
        0 merges nothing; a value above 1 merges everything that touches.

    Returns
    -------
    ndarray
        (H, W), int32: 0 where ``parts`` is 0; a merged cell has the lowest number of its parts.

    References
    ----------
    Nunez-Iglesias et al., "Machine learning of hierarchical clustering to segment 2D and 3D images", PLoS ONE 2013
    (mean agglomeration).
    """
    borders = _border_sums(1 - probability, parts)
    queue = [(total / length, one, other, length) for (one, other), (total, length) in borders.items()]
    heapq.heapify(queue)
    neighbours: dict[int, dict[int, tuple[float, int]]] = {}
    for (one, other), border in borders.items():
        neighbours.setdefault(one, {})[other] = border
        neighbours.setdefault(other, {})[one] = border
    cell = np.arange(int(parts.max(initial=0)) + 1)
    while queue and queue[0][0] < threshold:
        mean, kept, gone, length = heapq.heappop(queue)
        total, current = neighbours.get(kept, {}).get(gone, (0.0, 0))
        if current != length or total / length != mean:
            continue  # one of the two was merged since
        cell[gone] = kept
        del neighbours[kept][gone]
        for third, (more, longer) in neighbours.pop(gone).items():
            if third == kept:
                continue
            del neighbours[third][gone]
            total, length = neighbours[kept].get(third, (0.0, 0))
            border = (total + more, length + longer)
            neighbours[kept][third] = neighbours[third][kept] = border
            heapq.heappush(queue, (border[0] / border[1], min(kept, third), max(kept, third), border[1]))
    for part in range(len(cell)):  # a part is only ever merged into a lower number
        cell[part] = cell[cell[part]]
    return cell.astype(np.int32)[parts]


def _border_sums(membrane: np.ndarray, parts: np.ndarray) -> dict[tuple[int, int], tuple[float, int]]:
    """Return, for each pair of neighbours (lower number first), the sum of membrane along the border and its length.

    Of two pixels that face each other, the one with more membrane counts.
    """
    ones, others, values = [], [], []
    for here, there in (((slice(None, -1),), (slice(1, None),)), ((..., slice(None, -1)), (..., slice(1, None)))):
        one, other = parts[here], parts[there]
        facing = (one != other) & (one > 0) & (other > 0)
        ones.append(np.minimum(one, other)[facing])
        others.append(np.maximum(one, other)[facing])
        values.append(np.maximum(membrane[here], membrane[there])[facing])
    pairs, index, lengths = np.unique(
        np.stack([np.concatenate(ones), np.concatenate(others)]), axis=1, return_inverse=True, return_counts=True
    )
    sums = np.bincount(index.ravel(), np.concatenate(values), len(lengths))
    return {
        (one, other): (total, length)
        for (one, other), total, length in zip(pairs.T.tolist(), sums.tolist(), lengths.tolist(), strict=True)
    }
