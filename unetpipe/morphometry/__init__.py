"""Morphometry: measure masks in physical units, such as cells per square millimetre, or millilitres."""

from unetpipe.morphometry.mosaic import CellMosaic, count_neighbours, measure_mosaic
from unetpipe.morphometry.volume import VolumeMeasure, measure_volume

__all__ = ["CellMosaic", "VolumeMeasure", "count_neighbours", "measure_mosaic", "measure_volume"]
