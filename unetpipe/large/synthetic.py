"""A large synthetic image of touching cells, written part by part, to try and measure with."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import zarr
from scipy import ndimage

from unetpipe.datasets.synthetic import synthetic_frame

PATCH, PATTERNS = 250, 24  # px of a patch of cells; how many different ones there are, each in eight positions
CHUNK = 1024
SMOOTH = 20  # px
BACKGROUND, CONTRAST = 12000, 12000  # grey values


def write_synthetic_ome_zarr(path: str | os.PathLike, shape: tuple[int, int], seed: int = 0) -> int:
    """Write a 16-bit OME-Zarr image (version 0.5, one level) of touching cells and return the number of cells.

    Parameters
    ----------
    path : path
        The folder to make, such as ``cells.ome.zarr``.
    shape : (int, int)
        Height and width in pixels.
    seed : int
        The same seed writes the same image.
    """
    rng = np.random.default_rng(seed)
    frames = [
        level(*synthetic_frame(np.random.default_rng((seed, number)), (PATCH, PATCH))) for number in range(PATTERNS)
    ]
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}]
    ome = {"version": "0.5", "multiscales": [{"name": Path(path).name, "axes": axes, "datasets": datasets}]}
    zarr.create_group(Path(path), attributes={"ome": ome})
    array = zarr.create_array(
        Path(path) / "0", shape=shape, chunks=(CHUNK, CHUNK), dtype="uint16", dimension_names=["y", "x"]
    )
    cells = 0
    band = PATCH * 4
    for top in range(0, shape[0], band):
        rows = np.zeros((band, -(-shape[1] // PATCH) * PATCH), np.uint16)
        for y in range(0, band, PATCH):
            for x in range(0, rows.shape[1], PATCH):
                image, count = frames[rng.integers(PATTERNS)]
                turned = np.rot90(image[:, ::-1] if rng.random() < 0.5 else image, int(rng.integers(4)))
                rows[y : y + PATCH, x : x + PATCH] = turned
                cells += count
        rows += rng.integers(0, 200, rows.shape, dtype=np.uint16)
        array[top : top + band] = rows[: shape[0] - top, : shape[1]]
    return cells


def level(image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a patch (H, W), uint16, with a background and a contrast like all others, and its number of cells."""
    outside = (label == 0).astype(np.float64)
    background = ndimage.gaussian_filter(image * outside, SMOOTH) / ndimage.gaussian_filter(outside, SMOOTH)
    above = image - background
    grey = BACKGROUND + CONTRAST * above / np.median(above[label > 0])
    return np.clip(grey, 0, 60000).astype(np.uint16), int(label.max())
