"""The end of the road: instance maps written as 16-bit masks, named as the Cell Tracking Challenge names them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy

from unetpipe.data.io import write_labels


class SaveMasksd(MapTransform):
    """Write instance maps (1, H, W) as uint16 TIFFs of that height and width below ``output_dir``.

    The name comes from the meta data that :class:`unetpipe.data.ReadImaged` gave the image.

    Parameters
    ----------
    keys : str or sequence of str
        Instance maps, MetaTensors.
    output_dir : path
        Folder, made if need be. Each file appears under its name only when complete.
    """

    def __init__(self, keys: KeysCollection, output_dir: str | os.PathLike, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.output_dir = Path(output_dir)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Write, and return the item as it was."""
        item = dict(data)
        for key in self.key_iterator(item):
            write_labels(self.output_dir / item[key].meta["mask_name"], convert_to_numpy(item[key])[0])
        return item
