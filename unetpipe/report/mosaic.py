"""A mosaic of cells as a picture: coloured by the number of neighbours."""

from __future__ import annotations

import numpy as np

from unetpipe.morphometry import count_neighbours

COLOURS = {4: (49, 54, 149), 5: (116, 173, 209), 6: (102, 189, 99), 7: (253, 174, 97), 8: (165, 0, 38)}
EDGE_COLOUR = (120, 120, 120)


def draw_mosaic(labels: np.ndarray) -> np.ndarray:
    """Draw an instance map (H, W) as (H, W, 3), uint8.

    Green is six neighbours, blue fewer (dark: four or less), orange seven, red eight or more; grey cells lie at the
    edge of the mosaic, where the neighbours are not all known. Background is black.
    """
    ids, places = np.unique(labels, return_inverse=True)
    palette = np.zeros((len(ids), 3), np.uint8)
    for cell, number in count_neighbours(labels).items():
        colour = EDGE_COLOUR if number is None else COLOURS[min(max(number, min(COLOURS)), max(COLOURS))]
        palette[np.searchsorted(ids, cell)] = colour
    return palette[places.reshape(labels.shape)]
