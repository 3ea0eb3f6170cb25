"""Time the elastic deformation of image, label and weight, and MONAI's ``Rand2DElasticd``."""

from __future__ import annotations

import numpy as np
import torch
from monai.transforms import Rand2DElasticd

from benchmarks.speed.cells import cell_image, cell_map
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row, alternate, ratio
from unetpipe.transforms import RandElastic2Dd

NAME = "elastic"
BOUNDS = {"bilinear": 8.0, "bicubic": 4.0}


def run(settings: Settings) -> list[Row]:
    """Check what both sides do, then time them, for a bilinear and a bicubic image."""
    side = 128 if settings.quick else 512
    label = cell_map(side, side // 4)
    item = {
        "image": torch.from_numpy(cell_image(label)[None].astype(np.float32)),
        "label": torch.from_numpy(label[None].astype(np.float32)),
        "weight": torch.rand(1, side, side),
    }
    rows = []
    for mode, bound in BOUNDS.items():
        arguments = {
            "keys": list(item),
            "spacing": (side / 2, side / 2),
            "magnitude_range": (10, 10),
            "prob": 1.0,
            "rotate_range": np.pi,
            "scale_range": 0.2,
            "mode": [mode, "nearest", "bilinear"],
            "padding_mode": "reflection",
        }
        sides = {
            "unetpipe": RandElastic2Dd(**arguments).set_random_state(0),
            "Rand2DElasticd": Rand2DElasticd(**arguments).set_random_state(0),
        }
        for transform in sides.values():
            _check(transform(item), item)
        times = alternate(
            {name: (lambda transform=transform: transform(item)) for name, transform in sides.items()},
            max(settings.repeats, 15),
        )
        what = f"image ({mode}), label and weight, {side}², against MONAI's Rand2DElasticd"
        rows.append(ratio(NAME, what, times, "Rand2DElasticd", "unetpipe", bound))
    return rows


def _check(result: dict, item: dict) -> None:
    """Raise AssertionError unless the sizes are kept, labels are labels, and image and label still lie alike."""
    assert all(result[key].shape == item[key].shape for key in item)
    assert np.isin(np.unique(result["label"]), np.unique(item["label"])).all()
    cells = np.asarray(result["label"]) > 0
    image = np.asarray(result["image"])
    assert image[cells].mean() > image[~cells].mean() + 40
