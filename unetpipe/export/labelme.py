"""Outlines for LabelMe: ``NAME.json`` for each page.

References
----------
``labelme._label_file`` of LabelMe 6: shapes of the types polygon and mask (a PNG between two corners, both included).
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unetpipe.files import write_text
from unetpipe.morphometry.cells import LabelledPage, cell_masks
from unetpipe.morphometry.outlines import outline_polygons

VERSION = "5.5.0"  # of LabelMe: the first that has this format
CELL = "cell"


def write(folder: Path, pages: Iterable[LabelledPage]) -> list[Path]:
    """Write the cells of each page into one file; see :func:`unetpipe.export.export_cells`.

    A cell is a polygon along the edges of its pixels; a cell of several pieces is several polygons of one group. A
    cell with holes is a mask, because a polygon of LabelMe has none. The group is the cell's id.
    """
    written = []
    for page in pages:
        path = folder / f"{page.name}.json"
        image = page.image if page.path is None else os.path.relpath(page.path.absolute(), path.parent.absolute())
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": list(_shapes(page)),
            "imagePath": Path(image).as_posix(),
            "imageData": None,
            "imageHeight": page.size[0],
            "imageWidth": page.size[1],
        }
        write_text(path, json.dumps(content, ensure_ascii=False) + "\n")
        written.append(path)
    return written


def _shapes(page: LabelledPage) -> Iterator[dict[str, Any]]:
    for cutout in page.cutouts():
        outlines = outline_polygons(cutout.labels, cutout.top, cutout.left)
        for cell, top, left, mask in cell_masks(cutout):
            shape = {"label": CELL, "group_id": cell, "description": "", "flags": {}}
            if all(len(polygon) == 1 for polygon in outlines[cell]):
                for (ring,) in outlines[cell]:
                    yield {**shape, "shape_type": "polygon", "points": ring.tolist(), "mask": None}
            else:
                corners = [[left, top], [left + mask.shape[1] - 1, top + mask.shape[0] - 1]]
                yield {**shape, "shape_type": "mask", "points": corners, "mask": _png(mask)}


def _png(mask: np.ndarray) -> str:
    """Return a mask (h, w), bool, as PNG in base64."""
    encoded = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(encoded, format="PNG")
    return base64.b64encode(encoded.getvalue()).decode("ascii")
