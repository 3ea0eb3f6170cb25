"""A small synthetic ISBI 2012 set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def membranes(folder: Path, slices: int = 3) -> Path:
    """Write an ISBI 2012 set: cells of 20 pixels between dark membranes of 2, with noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    labels, images = [], []
    for number in range(slices):
        membrane = ((y + 3 * number) % 22 < 2) | ((x + 5 * number) % 22 < 2)
        labels.append(np.where(membrane, 0, 255).astype(np.uint8))
        images.append(np.clip(np.where(membrane, 60, 160) + rng.normal(0, 10, y.shape), 0, 255).astype(np.uint8))
    folder.mkdir()
    for name, pages in (("train-volume.tif", images), ("train-labels.tif", labels)):
        first, *others = map(Image.fromarray, pages)
        first.save(folder / name, save_all=True, append_images=others)
    return folder
