"""Outlines of cells as paths of SVG, sharp at any zoom."""

from __future__ import annotations

import itk
import numpy as np
from scipy import ndimage


def outline_path(mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> str:
    """Return the outline of a mask as path data, in units of half a pixel so that all numbers are whole.

    Parameters
    ----------
    mask : ndarray
        (H, W), bool. The outline runs half-way between its pixels and those around them; holes have one too.
    origin : (int, int)
        Row and column of the mask's first pixel.

    Returns
    -------
    str
        Closed polygons, ``M x y l dx dy … z`` each; empty for an empty mask.
    """
    if not mask.any():
        return ""
    contours = itk.ContourExtractor2DImageFilter.New(itk.image_from_array(np.pad(mask, 1).astype(np.float32)))
    contours.SetContourValue(0.5)
    contours.Update()
    shift = np.array([origin[1], origin[0]]) - 0.5  # ITK counts from the centre of the padding's first pixel
    polygons = []
    for number in range(contours.GetNumberOfIndexedOutputs()):
        vertices = contours.GetOutput(number).GetVertexList()
        points = np.array([tuple(vertices.ElementAt(index)) for index in range(vertices.Size() - 1)])
        polygons.append(_polygon(np.rint(2 * (points + shift)).astype(int)))
    return "".join(polygons)


def object_paths(labels: np.ndarray) -> dict[int, str]:
    """Return the outline of each object of an instance map (H, W), by id; 0 is background."""
    ids, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape)
    boxes = ndimage.find_objects(places + 1)  # background may be absent: every id is an object here
    return {
        int(number): outline_path(places[box] == index, (box[0].start, box[1].start))
        for index, (number, box) in enumerate(zip(ids, boxes, strict=True))
        if number
    }


def centre(mask: np.ndarray) -> tuple[int, int]:
    """Return the (x, y) of a mask's (H, W) pixel that lies deepest in it, in half pixels: a place for a letter."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    depth = ndimage.distance_transform_edt(np.pad(mask[box], 1))
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return 2 * (box[1].start + int(x)) - 1, 2 * (box[0].start + int(y)) - 1


def _polygon(points: np.ndarray) -> str:
    """Write closed points (n, 2) without those that lie on a straight line between their neighbours."""
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    corner = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    points = points[corner]
    steps = " ".join(f"{x} {y}" for x, y in np.diff(points, axis=0))
    return f"M{points[0, 0]} {points[0, 1]}l{steps}z"
