"""Instance maps as polygons, in the JSON that MONAI Label's plugin for CVAT reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

TOLERANCE = 0.5  # px by which a simplified outline may leave the exact one


def polygons(labels: np.ndarray) -> list[list[list[float]]]:
    """Return the outline of each cell of (H, W) as [[x, y], …], in the order of their ids.

    Of a cell in several parts it is the longest outline. Pixel centres have whole coordinates; an outline runs half
    a pixel outside them.
    """
    outlines = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        cell = np.pad(labels[box] == number, 1)
        contour = approximate_polygon(max(find_contours(cell, 0.5), key=len), TOLERANCE)
        corner = [box[1].start - 1, box[0].start - 1]
        outlines.append((contour[:, ::-1] + corner).round(1).tolist())
    return outlines


def page_annotations(pages: list[np.ndarray], label: str, first: int = 0) -> list[dict[str, Any]]:
    """Return one annotation a page, with one element a cell; the first is of the image's page ``first``."""
    return [
        {
            "annotation": {
                "name": f"page {number}",
                "elements": [{"label": label, "contours": [outline]} for outline in polygons(page)],
            }
        }
        for number, page in enumerate(pages, start=first)
    ]
