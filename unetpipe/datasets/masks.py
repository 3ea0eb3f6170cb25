"""What the values of a mask mean: one cell each, or a class each with its cells as connected components."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from unetpipe.errors import InputError

MASKS = ("auto", "instances", "classes")
EVERY_NEIGHBOUR = np.ones((3, 3), bool)


def decide_masks(labels: Iterable[np.ndarray]) -> str:
    """Tell from label maps (H, W) whether their values are cells or classes.

    Returns
    -------
    {"binary", "classes", "instances"}
        "binary" if there is one value besides 0 in all of them (1, 255 …), "classes" if more than half of the
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


def components(label: np.ndarray) -> np.ndarray:
    """Number the 4-connected components of each value of (H, W) 1 … n, int32; 0 stays background."""
    instances = np.zeros(label.shape, np.int32)
    count = 0
    for value in np.unique(label[label != 0]):
        parts, number = ndimage.label(label == value)
        instances = np.where(parts > 0, parts + count, instances)
        count += number
    return instances.astype(np.int32)


def all_known(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a label map (H, W) and a mask, bool, that says of each of its pixels that it is known."""
    return label, np.ones(label.shape, bool)


def check_choice(masks: str) -> None:
    """Raise InputError unless ``masks`` is one of "auto", "instances" and "classes"."""
    if masks not in MASKS:
        raise InputError(f"masks={masks!r} is not known; use one of {', '.join(map(repr, MASKS))}.")
