"""The border weight map of the U-Net paper (section 3, equation 2), with exact Euclidean distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_numpy
from scipy import ndimage

from unetpipe.transforms.two_nearest import two_nearest_distances

VANISHED = 1e-7  # a border term below it is lost beside a weight of 1 in float32


class BorderWeightMap(Transform):
    """w(x) = w_c(x) + w0 · exp(−(d1(x) + d2(x))² / (2σ²)) of an instance map.

    d1 and d2 are the Euclidean distances from x to the nearest and the second nearest cell, 0
    inside a cell. With fewer than two cells there is no border term.

    Parameters
    ----------
    w0, sigma : float
        Height and width (pixels) of the border term; 10 and 5 in the paper.
    class_balance : float
        Exponent b of w_c = (N / (2·N_class))^b, N the known pixels and N_class those of the
        pixel's class (cell or background): 1 gives both classes half of the total weight, 0 (the
        default) gives w_c = 1. Where a class is absent, w_c = 1.
    border_weight_outside_cells_only : bool
        True leaves the border term out inside cells. The paper's formula has it everywhere.

    Notes
    -----
    A binary mask (boolean, or one foreground value such as 1 or 255) is split into its
    4-connected components first. The cost grows with the pixels, not with the number of cells, and with how far the
    border term reaches: beyond d1 + d2 = σ·sqrt(2·ln(w0 / 1e-7)) it is lost in float32.
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
            (1, H, W), integers: 0 background, every other value one cell.
        known : array or tensor, optional
            (1, H, W), boolean: pixels whose class is known. The others weigh 0.

        Returns
        -------
        Tensor
            (1, H, W), float32; a MetaTensor with the label's meta data if the label is one.
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
        weight = np.where(known_pixels, weight + border, 0).astype(np.float32)
        tensor = torch.from_numpy(weight[None])
        return MetaTensor(tensor).copy_meta_from(label) if isinstance(label, MetaTensor) else tensor

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
    """Dictionary form of :class:`BorderWeightMap`: adds the weights of ``keys`` under ``weight_key``.

    Parameters
    ----------
    keys : str or sequence of str
        The instance map(s).
    weight_key : str
        Where the weights go (for several keys: the key's name and this, joined by "_").
    known_key : str, optional
        Boolean mask of known pixels; all are known where the item has no such key.
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
    """Give each cell of (H, W) a number above 0, int32; the 4-connected components where it is a binary mask."""
    foreground = label[label != 0]
    lowest, highest = (foreground.min(), foreground.max()) if foreground.size else (0, 0)
    if lowest == highest:
        return ndimage.label(label != 0)[0].astype(np.int32)
    if lowest > 0 and highest <= np.iinfo(np.int32).max:
        return label.astype(np.int32)
    return np.where(label != 0, np.searchsorted(np.unique(foreground), label) + 1, 0).astype(np.int32)
