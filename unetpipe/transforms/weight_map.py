"""Compute the border weight map of the U-Net paper (section 3, equation 2), with exact Euclidean distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_dst_type, convert_to_numpy
from scipy import ndimage

VANISHED = 1e-7  # a smaller border term is lost to rounding when it is added to 1 in float32


class BorderWeightMap(Transform):
    """w(x) = w_c(x) + w0 · exp(−(d1(x) + d2(x))² / (2σ²)) of an instance map.

    d1 and d2 are the Euclidean distances from x to the nearest and the second nearest cell; d1 is 0 inside a cell.
    With fewer than two cells there is no border term.

    Parameters
    ----------
    w0, sigma : float
        Height of the border term, and its width in pixels; 10 and 5 in the paper.
    class_balance : float
        Exponent b of w_c = (N / (2·N_class))^b, where N is the number of known pixels, and N_class the number of those
        of the pixel's class (cell or background). 1 gives each class half of the total weight; 0 (the default) gives
        w_c = 1. If a class is absent, w_c = 1.
    border_weight_outside_cells_only : bool
        True leaves out the border term inside cells. In the formula of the paper it is everywhere.

    Notes
    -----
    A binary mask (boolean, or with one foreground value such as 1 or 255) is first split into its 4-connected
    components. The time depends on the number of pixels, not on that of cells, and on the reach of the border term:
    beyond d1 + d2 = σ·sqrt(2·ln(w0 / 1e-7)) it is lost to rounding in float32.

    Examples
    --------
    In the gap, d1 + d2 = 1 + 2: 1 + 10 · exp(−9 / 50) = 9.3527. In a cell next to it, d1 = 0 and d2 = 3.

    >>> BorderWeightMap()(np.array([[[1, 0, 0, 2]]]))
    tensor([[[9.3527, 9.3527, 9.3527, 9.3527]]])
    """

    def __init__(
        self,
        w0: float = 10.0,
        sigma: float = 5.0,
        class_balance: float = 0.0,
        border_weight_outside_cells_only: bool = False,
    ) -> None:
        if w0 < 0 or sigma <= 0 or class_balance < 0:
            raise ValueError(
                f"w0={w0} and class_balance={class_balance} must not be negative, sigma={sigma} be positive."
            )
        self.w0 = w0
        self.sigma = sigma
        self.class_balance = class_balance
        self.border_weight_outside_cells_only = border_weight_outside_cells_only

    def __call__(self, label: Any, known: Any = None) -> torch.Tensor:
        """Return the weights of an instance map.

        Parameters
        ----------
        label : array or tensor
            (1, H, W), integer: 0 background, every other value one cell.
        known : array or tensor, optional
            (1, H, W), bool: pixels whose class is known. The others have weight 0.

        Returns
        -------
        Tensor
            (1, H, W), float32, on the device of the label; a MetaTensor with the label's meta data if the label is one.
        """
        instances = convert_to_numpy(label)
        if instances.ndim != 3 or instances.shape[0] != 1:
            raise ValueError(f"An instance map must have the shape (1, H, W), not {instances.shape}.")
        instances = separate_instances(instances[0])
        known_pixels = np.ones(instances.shape, bool) if known is None else convert_to_numpy(known)[0].astype(bool)

        weight = self._class_weight(instances > 0, known_pixels)
        border = self._border_term(instances)
        if self.border_weight_outside_cells_only:
            border[instances > 0] = 0
        weight = np.where(known_pixels, weight + border, 0)
        return convert_to_dst_type(weight[None], torch.as_tensor(label), dtype=torch.float32)[0]

    def _class_weight(self, cell: np.ndarray, known: np.ndarray) -> np.ndarray:
        weight = np.ones(cell.shape, np.float64)
        total, cells = np.count_nonzero(known), np.count_nonzero(cell & known)
        if 0 < cells < total:
            weight[cell] = (total / (2 * cells)) ** self.class_balance
            weight[~cell] = (total / (2 * (total - cells))) ** self.class_balance
        return weight

    def _border_term(self, instances: np.ndarray) -> np.ndarray:
        if self.w0 <= VANISHED:
            return np.zeros(instances.shape, np.float64)
        reach = math.ceil(self.sigma * math.sqrt(2 * math.log(self.w0 / VANISHED)))
        nearest, second = two_nearest_distances(instances, reach)
        return self.w0 * np.exp(-((nearest + second) ** 2) / (2 * self.sigma**2))


class BorderWeightMapd(MapTransform):
    """Dictionary form of :class:`BorderWeightMap`: it adds the weights of ``keys`` under ``weight_key``.

    Parameters
    ----------
    keys : str or sequence of str
        The instance map(s).
    weight_key : str
        Key of the weights; for several keys it is appended to each with "_".
    known_key : str, optional
        Key of the boolean mask of known pixels; without it in the item, all pixels are known.
    w0, sigma, class_balance, border_weight_outside_cells_only
        See :class:`BorderWeightMap`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        weight_key: str = "weight",
        known_key: str | None = "known",
        w0: float = 10.0,
        sigma: float = 5.0,
        class_balance: float = 0.0,
        border_weight_outside_cells_only: bool = False,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.weight_key = weight_key
        self.known_key = known_key
        self.weight_map = BorderWeightMap(w0, sigma, class_balance, border_weight_outside_cells_only)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the weight map(s) added."""
        item = dict(data)
        known = item.get(self.known_key) if self.known_key is not None else None
        for key in self.key_iterator(item):
            weight_key = self.weight_key if len(self.keys) == 1 else f"{key}_{self.weight_key}"
            item[weight_key] = self.weight_map(item[key], known)
        return item


def separate_instances(label: np.ndarray) -> np.ndarray:
    """Return (H, W), int32, with a number above 0 for each cell; in a binary mask, cells are 4-connected components."""
    foreground = label[label != 0]
    lowest, highest = (foreground.min(), foreground.max()) if foreground.size else (0, 0)
    if lowest == highest:
        return ndimage.label(label != 0)[0].astype(np.int32)
    if lowest > 0 and highest <= np.iinfo(np.int32).max:
        return label.astype(np.int32)
    return np.where(label != 0, np.searchsorted(np.unique(foreground), label) + 1, 0).astype(np.int32)


def two_nearest_distances(instances: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Euclidean distance of each pixel to the nearest and to the second nearest cell.

    The squared distances are found first along columns, then along rows. This is exact: if a cell is among the two
    nearest of a pixel, and its nearest pixel lies in some column, then it is among the two nearest within that column.

    Parameters
    ----------
    instances : ndarray
        (H, W), integer: 0 background, every value above 0 one cell.
    reach : int
        Largest sum of both distances, in pixels, that is needed.

    Returns
    -------
    nearest, second : ndarray
        (H, W), float32, pixels. Where the true sum of both exceeds ``reach``, the values only have a sum above it.

    References
    ----------
    The separation into columns and rows: A. Meijster, J. Roerdink, W. Hesselink, A general algorithm for computing
    distance transforms in linear time, 2000; here with bounded reach, and for the two nearest cells.
    """
    far = 2 * reach**2 + 1  # plus the square of one more offset it must fit into 16 bits
    small = far + reach**2 <= np.iinfo(np.int16).max and instances.max(initial=0) <= np.iinfo(np.int16).max
    cell = instances.T.astype("int16" if small else "int32")
    nearest = np.where(cell > 0, 0, far).astype(cell.dtype)
    nearest, second, cell = _along_rows(nearest, np.full_like(nearest, far), cell, reach, reach, far)
    # if the nearest is farther than half the reach, so is the second
    nearest, second, _ = _along_rows(nearest.T, second.T, cell.T, reach // 2, reach, far)
    return _root(nearest, reach), _root(second, reach)


def _along_rows(
    nearest: np.ndarray, second: np.ndarray, cell: np.ndarray, first_reach: int, reach: int, far: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the least squared distances to two different cells along each row, and the number of the nearest cell.

    ``nearest`` and ``second`` are the squared distances so far, to ``cell`` and to the next nearest one.
    ``first_reach`` limits the search for the nearest cell, ``reach`` that for the second.
    """
    bits = 8 * nearest.itemsize
    nearest, second, cell = (
        np.pad(np.ascontiguousarray(part), ((0, 0), (reach, reach)), constant_values=nothing)
        for part, nothing in ((nearest, far), (second, far), (cell, 0))
    )
    inner = slice(reach, nearest.shape[1] - reach)

    packed = np.left_shift(nearest, bits, dtype=f"int{2 * bits}") | cell  # the minimum selects its cell too
    best, offer = packed[:, inner].copy(), np.empty_like(packed[:, inner])
    for offset in range(1, first_reach + 1):
        before, after = _beside(inner, offset)
        np.minimum(packed[:, before], packed[:, after], out=offer)
        offer += offset**2 << bits
        np.minimum(best, offer, out=best)
    owner = (best & ((1 << bits) - 1)).astype(cell.dtype)

    rest = second - nearest
    other, offer = np.full_like(owner, far), np.empty_like(owner)
    for offset in range(reach + 1):
        for side in _beside(inner, offset):
            np.multiply(rest[:, side], (cell[:, side] == owner).view(np.int8), out=offer)  # faster than a mask
            offer += nearest[:, side]
            offer += nearest.dtype.type(offset**2)
            np.minimum(other, offer, out=other)
    return np.minimum(best >> bits, far).astype(nearest.dtype), other, owner


def _beside(inner: slice, offset: int) -> tuple[slice, slice]:
    return slice(inner.start - offset, inner.stop - offset), slice(inner.start + offset, inner.stop + offset)


def _root(square: np.ndarray, reach: int) -> np.ndarray:
    return np.where(square > reach**2, np.inf, np.sqrt(square, dtype=np.float32))
