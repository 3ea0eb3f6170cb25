"""The single steps from a mask to numbered cells, which images in memory and blocks of large images share."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unetpipe.datasets.masks import EVERY_NEIGHBOUR, components


def background_regions(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the 8-connected background regions of (H, W), int32, 1 … n; return them and n."""
    return ndimage.label(~mask, structure=EVERY_NEIGHBOUR)


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill the background regions (8-connected) of (H, W) that do not reach the image border."""
    background, count = background_regions(mask)
    is_open = np.zeros(count + 1, bool)
    for side in (background[0], background[-1], background[:, 0], background[:, -1]):
        is_open[side] = True
    return mask | ~is_open[background]


def connected(cells: np.ndarray) -> np.ndarray:
    """Number the 4-connected pieces of each cell of (H, W), int32.

    The first piece of a cell keeps the cell's number; the others are given new numbers above all of them.
    """
    pieces = components(cells)
    cell = np.zeros(int(pieces.max(initial=0)) + 1, np.int32)
    cell[pieces] = cells
    is_further = np.diff(cell, prepend=-1) == 0  # pieces are in the order of their cells
    return np.where(is_further, cell[-1] + np.cumsum(is_further), cell).astype(np.int32)[pieces]


def remove_small(instances: np.ndarray, min_size: int) -> np.ndarray:
    """Remove cells of fewer than ``min_size`` pixels from (H, W) and number the others 1 … n in their old order."""
    sizes = np.bincount(instances.ravel())
    keep = (sizes >= max(min_size, 1)) & (np.arange(len(sizes)) > 0)
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[instances]


def otsu_components(image: np.ndarray) -> np.ndarray:
    """Number the 4-connected components of the pixels above Otsu's threshold: (H, W) → (H, W), int32.

    This is what one gets without learning.
    """
    import itk

    mask = itk.otsu_threshold_image_filter(
        itk.image_view_from_array(image.astype(np.float32)),
        inside_value=0,
        outside_value=1,
        ttype=(itk.Image[itk.F, 2], itk.Image[itk.UC, 2]),
    )
    return ndimage.label(itk.array_from_image(mask))[0].astype(np.int32)
