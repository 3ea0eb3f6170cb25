"""Morphometry: what a mask says in numbers: each cell, a mosaic of cells, a volume, and the cells' outlines."""

from unetpipe.morphometry.cells import LabelledPage, measure_cells
from unetpipe.morphometry.mosaic import CellMosaic, count_neighbours, measure_mosaic
from unetpipe.morphometry.outlines import outline_polygons
from unetpipe.morphometry.volume import VolumeMeasure, measure_volume

__all__ = [
    "CellMosaic",
    "LabelledPage",
    "VolumeMeasure",
    "count_neighbours",
    "measure_cells",
    "measure_mosaic",
    "measure_volume",
    "outline_polygons",
]
