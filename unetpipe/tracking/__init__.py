"""Tracking: segmented cells linked from frame to frame."""

from unetpipe.tracking.link import CellLinker, link_cells, write_result
from unetpipe.tracking.metric import TRAMetric
from unetpipe.tracking.relink import link_folder

__all__ = ["CellLinker", "TRAMetric", "link_cells", "link_folder", "write_result"]
