"""Cut out random tiles, mirrored at the image border as inference mirrors them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.utils import convert_to_dst_type
from torch import Tensor

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

    def randomize(self, size: tuple[int, int], cells: Tensor | None = None) -> None:
        """Draw the centre: a pixel of an image of ``size`` = (H, W), at times one where ``cells`` (H, W) is true."""
        self.centre = (int(self.R.randint(size[0])), int(self.R.randint(size[1])))
        if cells is not None and self.R.random_sample() < self.cell_centred_prob:
            places = cells.nonzero()
            if len(places):
                row, column = places[self.R.randint(len(places))].tolist()
                self.centre = row, column

    def _cells(self, item: Mapping[Any, Any]) -> Tensor | None:
        """Return which pixels (H, W) are cells, if the image is partly annotated; else None."""
        if not self.cell_centred_prob or bool((torch.as_tensor(item[self.weight_key]) > 0).all()):
            return None
        return torch.as_tensor(item[self.label_key])[0] > 0

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
