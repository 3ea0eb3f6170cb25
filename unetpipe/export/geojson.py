"""Outlines with measurements for QuPath, as GeoJSON: ``NAME.geojson``, a detection for each cell.

References
----------
RFC 7946, and ``qupath.lib.io.QuPathTypeAdapters``: ids are UUIDs, and the geometry of a stack names its plane.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from unetpipe.export.table import rows_of
from unetpipe.files import replacing
from unetpipe.morphometry.cells import LabelledPage, measure_cutout
from unetpipe.morphometry.outlines import outline_polygons


def write(folder: Path, pages: Iterable[LabelledPage]) -> list[Path]:
    """Write the cells of each stack into one file; see :func:`unetpipe.export.export_cells`.

    Coordinates are corners of pixels. Pages of a stack are time points.
    """
    written = []
    for stack, its_pages in groupby(pages, key=lambda page: page.stack):
        path = folder / f"{stack}.geojson"
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write('{"type": "FeatureCollection", "features": [')
            for number, feature in enumerate(_features(its_pages)):
                file.write((",\n" if number else "\n") + json.dumps(feature, ensure_ascii=False))
            file.write("\n]}\n")
        written.append(path)
    return written


def _features(pages: Iterable[LabelledPage]) -> Iterator[dict[str, Any]]:
    for page in pages:
        for cutout in page.cutouts():
            outlines = outline_polygons(cutout.labels, cutout.top, cutout.left)
            for row in rows_of(measure_cutout(page, cutout)):
                polygons = [[[*ring.tolist(), ring[0].tolist()] for ring in polygon] for polygon in outlines[row["id"]]]
                one = len(polygons) == 1
                geometry: dict[str, Any] = {
                    "type": "Polygon" if one else "MultiPolygon",
                    "coordinates": polygons[0] if one else polygons,
                }
                if page.page is not None:
                    geometry["plane"] = {"c": -1, "z": 0, "t": page.page}
                yield {
                    "type": "Feature",
                    "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{page.image}#{page.page}#{row['id']}")),
                    "geometry": geometry,
                    "properties": {
                        "objectType": "detection",
                        "name": str(row["id"]),
                        "measurements": {name: float(value) for name, value in row.items() if math.isfinite(value)},
                    },
                }
