"""From the probability of "cell" to numbered cells; each step is defined per connected component."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy
from scipy import ndimage

from unetpipe.errors import InputError
from unetpipe.instances.ridge import refill_ridge
from unetpipe.instances.splitting import inner_peaks, merge_open_borders, split_at_markers

EVERY_NEIGHBOUR = np.ones((3, 3), bool)


def instances_from_probability(
    probability: np.ndarray,
    threshold: float = 0.5,
    min_size: int = 0,
    ridge_refill_radius: float = 2.0,
    marker_threshold: float | None = None,
    merge_threshold: float | None = None,
) -> np.ndarray:
    """Number the cells: threshold, filled holes, 4-connected components, small ones removed, ridge given back.

    Where a component holds several confident centres, it is cut between them by a watershed
    (:func:`unetpipe.instances.splitting.split_at_markers`). With a ``merge_threshold`` the whole image is flooded
    instead, from every bulge of the confident pixels, and parts without a membrane along their border are put
    together (:func:`unetpipe.instances.splitting.merge_open_borders`): the way for stacks of membranes, where
    one leak joins two cells.

    Parameters
    ----------
    probability : ndarray
        (H, W), float: the probability of "cell".
    threshold : float
        A pixel is cell if its probability is above it.
    min_size : int
        Cells of fewer pixels (holes filled) are removed.
    ridge_refill_radius : float
        Radius in pixels within which background between two cells is given to the nearer one
        (:func:`unetpipe.instances.ridge.refill_ridge`).
    marker_threshold : float, optional
        A confident centre is a component above it of at least ``min_size`` pixels; None cuts nothing.
    merge_threshold : float, optional
        Mean membrane probability along a border below which the parts on its two sides are one cell.

    Returns
    -------
    ndarray
        (H, W), int32: 0 background, 1 … n.
    """
    mask = fill_holes(probability > threshold)
    if marker_threshold is None or marker_threshold <= threshold:
        cells = ndimage.label(mask)[0].astype(np.int32)
    elif merge_threshold is None:
        centres = ndimage.label(fill_holes(probability > marker_threshold))[0].astype(np.int32)
        cells = split_at_markers(probability, ndimage.label(mask)[0].astype(np.int32), remove_small(centres, min_size))
    else:
        parts = split_at_markers(
            probability, np.ones(mask.shape, np.int32), inner_peaks(probability > marker_threshold)
        )
        cells = connected(np.where(mask, merge_open_borders(probability, parts, merge_threshold), 0))
    return refill_ridge(remove_small(cells, min_size), ridge_refill_radius)


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill the background regions (8-connected) of (H, W) that do not reach the image border."""
    background, count = ndimage.label(~mask, structure=EVERY_NEIGHBOUR)
    open_regions = np.zeros(count + 1, bool)
    for side in (background[0], background[-1], background[:, 0], background[:, -1]):
        open_regions[side] = True
    return mask | ~open_regions[background]


def connected(cells: np.ndarray) -> np.ndarray:
    """Number the 4-connected pieces of each cell of (H, W), int32: the first keeps the cell's number."""
    pieces, count = cells.copy(), int(cells.max(initial=0))
    for number, box in enumerate(ndimage.find_objects(cells), start=1):
        if box is None:
            continue
        own, found = ndimage.label(cells[box] == number)
        pieces[box][own > 1] = own[own > 1] + count - 1
        count += max(found - 1, 0)
    return pieces


def remove_small(instances: np.ndarray, min_size: int) -> np.ndarray:
    """Remove cells of fewer than ``min_size`` pixels from (H, W) and number the others 1 … n in their old order."""
    sizes = np.bincount(instances.ravel())
    keep = (sizes >= max(min_size, 1)) & (np.arange(len(sizes)) > 0)
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[instances]


class InstancesFromProbabilityd(MapTransform):
    """Replace class probabilities (K, H, W) by an instance map (1, H, W), int32.

    Parameters
    ----------
    keys : str or sequence of str
        The probabilities; class 0 is background, "cell" is 1 minus its probability.
    threshold, min_size, ridge_refill_radius, marker_threshold, merge_threshold
        See :func:`unetpipe.instances.instances_from_probability`.

    Raises
    ------
    InputError
        If a threshold is no probability.
    """

    def __init__(
        self,
        keys: KeysCollection,
        threshold: float = 0.5,
        min_size: int = 0,
        ridge_refill_radius: float = 2.0,
        marker_threshold: float | None = None,
        merge_threshold: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        _check_probability("threshold", threshold)
        for name, value in (("marker_threshold", marker_threshold), ("merge_threshold", merge_threshold)):
            if value is not None:
                _check_probability(name, value)
        self.threshold = threshold
        self.min_size = min_size
        self.ridge_refill_radius = ridge_refill_radius
        self.marker_threshold = marker_threshold
        self.merge_threshold = merge_threshold

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the instance map(s) in place of the probabilities."""
        item = dict(data)
        for key in self.key_iterator(item):
            cell = 1 - convert_to_numpy(item[key])[0]
            instances = instances_from_probability(
                cell,
                self.threshold,
                self.min_size,
                self.ridge_refill_radius,
                self.marker_threshold,
                self.merge_threshold,
            )
            tensor = torch.from_numpy(instances[None])
            item[key] = MetaTensor(tensor).copy_meta_from(item[key]) if isinstance(item[key], MetaTensor) else tensor
        return item


def _check_probability(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise InputError(f"{name}={value!r} is no probability; it must be a number from 0 to 1.")
