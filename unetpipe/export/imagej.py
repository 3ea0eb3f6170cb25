"""Outlines for ImageJ and Fiji: ``NAME_RoiSet.zip``, which the ROI Manager opens.

References
----------
``ij.io.RoiDecoder`` of ImageJ: polygons by the corners of pixels; several rings as the path of a composite ROI.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from roifile import ROI_TYPE, ImagejRoi, roiwrite

from unetpipe.files import replacing
from unetpipe.morphometry.cells import LabelledPage
from unetpipe.morphometry.outlines import Polygon, outline_polygons

MOVE, LINE, CLOSE = 0.0, 1.0, 4.0  # segments of a path


def write(folder: Path, pages: Iterable[LabelledPage]) -> list[Path]:
    """Write the ROIs of each stack into one file; see :func:`unetpipe.export.export_cells`.

    A ROI is called by the cell's id; of a stack also by its slice, from 1, at which it is placed: "0003-12".
    """
    written = []
    for stack, its_pages in groupby(pages, key=lambda page: page.stack):
        path = folder / f"{stack}_RoiSet.zip"
        with replacing(path) as temporary:
            roiwrite(temporary, _rois(its_pages), mode="w")
        written.append(path)
    return written


def _rois(pages: Iterable[LabelledPage]) -> Iterator[ImagejRoi]:
    for page in pages:
        for cutout in page.cutouts():
            for cell, polygons in outline_polygons(cutout.labels, cutout.top, cutout.left).items():
                roi = make_roi(polygons)
                roi.name = str(cell) if page.page is None else f"{page.page + 1:04d}-{cell}"
                roi.position = 0 if page.page is None else page.page + 1
                yield roi


def make_roi(polygons: list[Polygon]) -> ImagejRoi:
    """Return a cell's ROI: a traced outline if it is one piece without holes, else a composite of its rings."""
    rings = [ring for polygon in polygons for ring in polygon]
    corners = np.concatenate(rings)
    if len(rings) == 1:
        roi = ImagejRoi.frompoints(corners)
        roi.roitype = ROI_TYPE.TRACED
    else:
        path: list[float] = []
        for ring in rings:
            segments = [MOVE] + [LINE] * (len(ring) - 1)
            path += [*np.column_stack([segments, ring]).ravel().tolist(), CLOSE]
        roi = ImagejRoi(roitype=ROI_TYPE.RECT, shape_roi_size=len(path), multi_coordinates=np.array(path, np.float32))
    (roi.left, roi.top), (roi.right, roi.bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return roi
