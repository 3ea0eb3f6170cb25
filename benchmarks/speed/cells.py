"""Make label maps and images with a given number of cells."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage


def cell_map(side: int, count: int, seed: int = 0) -> np.ndarray:
    """Return (side, side), int32, with the cells 1 … count: discs on a jittered grid, many of them touching."""
    rng = np.random.default_rng(seed)
    across = math.ceil(math.sqrt(count))
    pitch = side / across
    places = rng.permutation(across * across)[:count]
    label, depth = np.zeros((side, side), np.int32), np.ones((side, side))
    for number, place in enumerate(places, start=1):
        centre = (np.array(divmod(place, across)) + 0.5 + rng.uniform(-0.15, 0.15, 2)) * pitch
        radius = 0.48 * pitch * rng.uniform(0.8, 1.1)
        top, left = np.maximum(np.floor(centre - radius), 0).astype(int)
        rows, columns = np.ogrid[
            top : min(int(centre[0] + radius) + 2, side), left : min(int(centre[1] + radius) + 2, side)
        ]
        window = (slice(top, top + len(rows)), slice(left, left + columns.shape[1]))
        distance = np.hypot(rows - centre[0], columns - centre[1]) / radius
        nearer = distance < depth[window]
        label[window][nearer] = number
        depth[window] = np.minimum(depth[window], distance)
    return label


def cell_image(label: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return (H, W), uint8: bright cells, dimmer at their outlines, with noise."""
    inside = ndimage.uniform_filter((label > 0).astype(np.float32), 5)
    noise = np.random.default_rng(seed).normal(0, 8, label.shape)
    return np.clip(60 + 120 * inside + noise, 0, 255).astype(np.uint8)


def relief_image(label: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return (H, W), uint8: cells in relief, lit from a corner, as differential interference contrast shows them."""
    rng = np.random.default_rng(seed)
    inner = label * (ndimage.minimum_filter(label, 3) == ndimage.maximum_filter(label, 3))
    height = np.sqrt(np.minimum(ndimage.distance_transform_edt(inner), 40))
    grain = 4 * ndimage.gaussian_filter(rng.normal(size=label.shape), 2) * (label > 0)
    surface = ndimage.gaussian_filter(height + grain, 1.5)
    slope = ndimage.sobel(surface, 0) + ndimage.sobel(surface, 1)
    return np.clip(128 + 20 * slope + rng.normal(0, 2, label.shape), 0, 255).astype(np.uint8)
