"""Parts of cells are put together where no membrane lies between them."""

from __future__ import annotations

import heapq

import numpy as np


def merge_open_borders(probability: np.ndarray, parts: np.ndarray, threshold: float) -> np.ndarray:
    """Merge neighbouring parts whose common border has a mean membrane probability below a threshold.

    The most open border goes first, and what two parts share with a third is averaged anew after each merge
    (average linkage), so one leaking pixel joins nothing: the whole border counts.

    Parameters
    ----------
    probability : ndarray
        (H, W), float, 0 … 1: the probability of "cell"; membrane is 1 minus it.
    parts : ndarray
        (H, W), int32: 0 background, 1 … n. Parts are neighbours where their pixels are (4-connected).
    threshold : float
        0 merges nothing, above 1 whatever touches.

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
