"""Outlines of cells as polygons along the edges of their pixels: holes and separate pieces are kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from skimage.measure import label

Polygon = list[np.ndarray]  # rings (n, 2) of corners x, y; the first is the outer ring, the others are holes

# the four directions along which an edge leads, clockwise from right, as steps (y, x)
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
# a cell's pixel lies right of the edge: where, counted from the corner at which the edge starts
RIGHT = ((0, 0), (0, -1), (-1, -1), (-1, 0))


def outline_polygons(labels: np.ndarray, top: int = 0, left: int = 0) -> dict[int, list[Polygon]]:
    """Return the polygons of every cell, one for each of its pieces.

    Pixels belong to one piece if they share an edge. A polygon covers exactly the pixels of its piece: its corners are
    corners of pixels, and the pixel in row 0 and column 0 spans 0 to 1 in x and in y. Rings are simple: none touches
    itself. Outer rings have a positive area by the shoelace formula in x and y (clockwise on a screen, where y points
    down), holes a negative one.

    Parameters
    ----------
    labels : ndarray
        (H, W), integer: 0 background, else the cell's id.
    top, left : int
        Where the first pixel lies in a larger image, whose coordinates the corners have.

    Returns
    -------
    dict
        Id to polygons, by rising id. A polygon is a list of rings, its outer ring first; a ring is (n, 2), int, of
        corners (x, y), and its last corner joins its first.

    Examples
    --------
    >>> polygons = outline_polygons(np.array([[7, 7, 0], [0, 0, 0]]))
    >>> polygons[7][0][0].tolist()
    [[2, 0], [2, 1], [0, 1], [0, 0]]
    """
    pieces, count = label(labels, background=0, connectivity=1, return_num=True)
    ids = np.zeros(count + 1, labels.dtype)
    ids[pieces] = labels
    polygons: list[Polygon] = [[] for _ in range(count + 1)]
    for piece, ring in _rings(np.pad(pieces, 1)):
        ring += (left, top)
        for simple in _simple_rings(ring):
            # a piece has one outer ring
            if _area(simple) > 0:
                polygons[piece].insert(0, simple)
            else:
                polygons[piece].append(simple)
    found: dict[int, list[Polygon]] = {}
    for piece in np.argsort(ids[1:], kind="stable") + 1:
        found.setdefault(int(ids[piece]), []).append(polygons[piece])
    return found


def _rings(padded: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Follow the edges of all pieces; return each ring with its piece.

    ``padded`` is (H + 2, W + 2): corner (y, x) of the image lies between its pixels (y, x) and (y + 1, x + 1).
    """
    height, width = padded.shape[0] - 1, padded.shape[1] - 1  # numbers of corners

    def pixels(place: tuple[int, int]) -> np.ndarray:
        return padded[1 + place[0] : 1 + place[0] + height, 1 + place[1] : 1 + place[1] + width]

    inside = [pixels(place) for place in RIGHT]
    # the pixel left of an edge is the one right of the edge before it, counted clockwise
    exists = np.stack([(inside[d] > 0) & (inside[d] != inside[d - 1]) for d in range(4)])
    edges = np.flatnonzero(exists)  # direction · corners + corner
    direction, corner = np.divmod(edges, height * width)
    end = corner + np.array([y * width + x for y, x in STEPS])[direction]
    flat = exists.reshape(4, -1)
    following = np.empty(len(edges), np.int64)
    # the next edge turns left if nothing else is there, goes straight, or, first of all, turns right: so it stays at
    # its own pixels where two pieces meet in a corner
    for turn in (3, 0, 1):
        way = (direction + turn) % 4
        there = flat[way, end]
        following[there] = (way * (height * width) + end)[there]
    number = np.searchsorted(edges, following).tolist()
    turns = (direction != direction[number]).tolist() if len(edges) else []  # a corner of the polygon follows
    corner_y, corner_x = np.divmod(corner, width)
    right_y, right_x = np.array(RIGHT).T[:, direction]
    piece = padded[1 + corner_y + right_y, 1 + corner_x + right_x].tolist()
    ends = np.stack([end % width, end // width], axis=1)
    rings, seen = [], bytearray(len(edges))
    for first in range(len(edges)):
        if seen[first]:
            continue
        corners, edge = [], first
        while not seen[edge]:
            seen[edge] = 1
            if turns[edge]:
                corners.append(edge)
            edge = number[edge]
        rings.append((piece[first], ends[corners]))
    return rings


def _simple_rings(ring: np.ndarray) -> list[np.ndarray]:
    """Cut a ring that touches itself in corners into rings that do not."""
    points = list(map(tuple, ring.tolist()))
    if len(set(points)) == len(points):
        return [ring]
    simple: list[list[tuple[int, int]]] = []
    path: list[tuple[int, int]] = []
    place: dict[tuple[int, int], int] = {}
    for point in points:
        if point in place:
            start = place[point]
            simple.append(path[start:])
            for passed in path[start + 1 :]:
                del place[passed]
            del path[start + 1 :]
        else:
            place[point] = len(path)
            path.append(point)
    return [np.array(part) for part in (*simple, path)]


def _area(ring: np.ndarray) -> int:
    closed = [*ring.tolist(), ring[0].tolist()]
    return sum(x * below - right * y for (x, y), (right, below) in pairwise(closed))
