"""Cut out random tiles, mirrored at the image border as inference mirrors them."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.utils import convert_to_dst_type

from unetpipe.mirror import mirror_crop


class RandMirrorCropd(Randomizable, MapTransform):
    """Cut the same (roi_size, roi_size) window out of every key, centred on a random pixel of the image.

    Outside the image, pixels are mirrored (numpy's ``reflect``). So every pixel is the centre equally often, and pixels
    at the border have the same context as in overlap-tile inference.

    In a partly annotated image, few windows would hold an annotated cell. There, some windows are centred on one.

    Parameters
    ----------
    keys : str or sequence of str
        Arrays (C, H, W) of one height and width.
    roi_size : int
        Side of the window in pixels; it may be larger than the image.
    cell_centred_prob : float
        In images with pixels of weight 0 (not annotated): the probability that the centre is a pixel of a cell.
    label_key, weight_key : str
        Keys of the cells (not 0) and of the weights. They are used if ``cell_centred_prob`` is above 0.
    """

    def __init__(
        self,
        keys: KeysCollection,
        roi_size: int,
        cell_centred_prob: float = 0.0,
        label_key: str = "label",
        weight_key: str = "weight",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.roi_size = roi_size
        self.cell_centred_prob = cell_centred_prob
        self.label_key = label_key
        self.weight_key = weight_key
        # pixels of cells by the weights they belong to: asking a GPU for them again would make each step wait
        self._found: dict[int, tuple[weakref.ref, np.ndarray | None]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was found: another process has other arrays."""
        return {**self.__dict__, "_found": {}}

    def randomize(self, size: tuple[int, int], cells: np.ndarray | None = None) -> None:
        """Draw the centre: a pixel of an image of ``size`` = (H, W), at times one of the pixels ``cells`` (n, 2)."""
        self.centre = (int(self.R.randint(size[0])), int(self.R.randint(size[1])))
        if cells is not None and self.R.random_sample() < self.cell_centred_prob and len(cells):
            row, column = cells[self.R.randint(len(cells))].tolist()
            self.centre = row, column

    def learn(self, item: Mapping[Any, Any]) -> None:
        """Find the cells of a frame that will be given again and again, as the same arrays."""
        self._cells(item)

    def _cells(self, item: Mapping[Any, Any]) -> np.ndarray | None:
        """Return the pixels (n, 2) of cells, if the image is partly annotated; else None."""
        if not self.cell_centred_prob:
            return None
        weight = item[self.weight_key]
        reference, cells = self._found.get(id(weight), (None, None))
        if reference is not None and reference() is weight:
            return cells
        cells = None
        if not bool((torch.as_tensor(weight) > 0).all()):
            cells = (torch.as_tensor(item[self.label_key])[0] > 0).nonzero().cpu().numpy()
        number = id(weight)
        self._found[number] = (weakref.ref(weight, lambda _: self._found.pop(number, None)), cells)
        return cells

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the window of every key."""
        item = dict(data)
        present = list(self.key_iterator(item))
        sizes = {tuple(item[key].shape[-2:]) for key in present}
        if len(sizes) != 1:
            shapes = {key: tuple(item[key].shape) for key in present}
            raise ValueError(f"All keys must have the same height and width, got {shapes}.")
        self.randomize(sizes.pop(), self._cells(item))
        top, left = (centre - self.roi_size // 2 for centre in self.centre)
        for key in present:
            array = item[key].as_tensor() if isinstance(item[key], MetaTensor) else item[key]
            window = mirror_crop(array, top, left, self.roi_size, self.roi_size)
            item[key] = convert_to_dst_type(window, item[key])[0]
        return item
