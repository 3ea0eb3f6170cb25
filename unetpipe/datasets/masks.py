"""What the values of a mask mean: one cell each, or a class each with its cells as connected components."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
from scipy import ndimage
from skimage import measure

from unetpipe.errors import InputError

MASKS = ("auto", "instances", "classes")
EVERY_NEIGHBOUR = np.ones((3, 3), bool)
# by the only value of a mask: in how many pieces it may be and still be one cell. A single cell numbered 1 may have two
MOST_PIECES = {1: 2, 255: 1, 65535: 1}


def decide_masks(labels: Iterable[np.ndarray]) -> str:
    """Tell from label maps (H, W) whether their values are cells or classes.

    Returns
    -------
    {"binary", "classes", "instances"}
        "binary" if they all hold 0 and one other value (1, 255 …), "classes" if more than half of the
        values' regions (one value in one map) consist of several 8-connected components, else "instances".

    Notes
    -----
    Where a region is one component, both readings give the same cell; only the others tell them apart.
    """
    values: set[int] = set()
    whole = divided = 0
    for label in labels:
        ids = np.unique(label[label > 0])
        values.update(ids.tolist())
        # numbered 1, 2 … first: ids may be as high as 2³¹, and find_objects makes a list up to the highest
        dense = np.where(label > 0, np.searchsorted(ids, label) + 1, 0)
        for number, box in enumerate(ndimage.find_objects(dense), start=1):
            parts = ndimage.label(dense[box] == number, structure=EVERY_NEIGHBOUR)[1]
            whole, divided = whole + (parts == 1), divided + (parts > 1)
    if len(values) == 1:
        return "binary"
    return "classes" if divided > whole else "instances"


def check_numbered(labels: np.ndarray, path: str | os.PathLike) -> None:
    """Raise InputError if a label map, of one page or more, shows where cells are and does not number them."""
    pieces = unnumbered_pieces(labels)
    if pieces:
        raise InputError(
            f"{path} holds only 0 and {labels.max()}, in {pieces} pieces: it shows where cells are, but does not "
            "number them. Give each cell its own number (skimage.measure.label numbers connected components)."
        )


def unnumbered_pieces(labels: np.ndarray) -> int:
    """Return in how many pieces a label map holds 0 and 255 (or 65535, or 1); 0 if it holds numbered cells.

    Parameters
    ----------
    labels : ndarray
        (H, W) or (pages, H, W), integer; 0 is background.

    Returns
    -------
    int
        How many 8-connected components the pages have together; 0 if there are other values, or so few components
        that they may be one cell: up to two of the value 1, one of 255 or 65535.

    Examples
    --------
    >>> unnumbered_pieces(np.array([[255, 0, 255]])), unnumbered_pieces(np.array([[1, 0, 2]]))
    (2, 0)
    """
    values = np.unique(labels[labels != 0])
    if len(values) != 1 or int(values[0]) not in MOST_PIECES:
        return 0
    pieces = sum(ndimage.label(page, structure=EVERY_NEIGHBOUR)[1] for page in np.atleast_3d(labels.T).T)
    return pieces if pieces > MOST_PIECES[int(values[0])] else 0


def components(labels: np.ndarray) -> np.ndarray:
    """Number the 4-connected components of each value of (H, W).

    Parameters
    ----------
    labels : ndarray
        (H, W), integer; 0 is background. Pixels of different values never belong to one component.

    Returns
    -------
    ndarray
        (H, W), int32: 0 background, 1 … n, in the order of their values; within one value, in the order of their first
        pixels, row by row.

    Examples
    --------
    >>> components(np.array([[7, 7, 0, 5], [0, 0, 7, 5]]))
    array([[2, 2, 0, 1],
           [0, 0, 3, 1]], dtype=int32)
    """
    pieces, count = measure.label(labels, background=0, connectivity=1, return_num=True)
    values = np.zeros(count + 1, labels.dtype)
    values[pieces] = labels
    numbers = np.zeros(count + 1, np.int32)
    numbers[1 + np.argsort(values[1:], kind="stable")] = np.arange(1, count + 1)
    return numbers[pieces]


def all_known(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a label map (H, W), and a mask (H, W), bool, that is True everywhere: all pixels are known."""
    return label, np.ones(label.shape, bool)


def check_choice(masks: str) -> None:
    """Raise InputError unless ``masks`` is one of "auto", "instances" and "classes"."""
    if masks not in MASKS:
        raise InputError(f"masks={masks!r} is not known; use one of {', '.join(map(repr, MASKS))}.")
