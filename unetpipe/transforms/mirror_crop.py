"""Cut out random tiles, mirrored at the image border as inference mirrors them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.utils import convert_to_dst_type

from unetpipe.mirror import mirror_crop


class RandMirrorCropd(Randomizable, MapTransform):
    """Cut the same (roi_size, roi_size) window out of every key, centred on a random pixel of the image.

    Outside the image, pixels are mirrored (numpy's ``reflect``). So every pixel is the centre equally often, and pixels
    at the border have the same context as in overlap-tile inference.

    Parameters
    ----------
    keys : str or sequence of str
        Arrays (C, H, W) of one height and width.
    roi_size : int
        Side of the window in pixels; it may be larger than the image.
    """

    def __init__(self, keys: KeysCollection, roi_size: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.roi_size = roi_size

    def randomize(self, size: tuple[int, int]) -> None:
        """Draw the centre, uniform over an image of ``size`` = (H, W)."""
        self.centre = (int(self.R.randint(size[0])), int(self.R.randint(size[1])))

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the window of every key."""
        item = dict(data)
        present = list(self.key_iterator(item))
        sizes = {tuple(item[key].shape[-2:]) for key in present}
        if len(sizes) != 1:
            shapes = {key: tuple(item[key].shape) for key in present}
            raise ValueError(f"All keys must have the same height and width, got {shapes}.")
        self.randomize(sizes.pop())
        top, left = (centre - self.roi_size // 2 for centre in self.centre)
        for key in present:
            array = item[key].as_tensor() if isinstance(item[key], MetaTensor) else item[key]
            window = mirror_crop(array, top, left, self.roi_size, self.roi_size)
            item[key] = convert_to_dst_type(window, item[key])[0]
        return item
