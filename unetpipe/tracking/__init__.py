"""Tracking: link segmented cells from frame to frame."""

from unetpipe.tracking.link import link_cells, link_folder, write_result
from unetpipe.tracking.linkers import LINKERS, Linker, make_linker
from unetpipe.tracking.metric import TRAMetric
from unetpipe.tracking.overlap import CellLinker

__all__ = ["LINKERS", "CellLinker", "Linker", "TRAMetric", "link_cells", "link_folder", "make_linker", "write_result"]
