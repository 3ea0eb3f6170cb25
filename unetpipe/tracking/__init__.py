"""Tracking: link segmented cells from frame to frame."""

from unetpipe.tracking.link import CellLinker, link_cells, link_folder, write_result
from unetpipe.tracking.metric import TRAMetric

__all__ = ["CellLinker", "TRAMetric", "link_cells", "link_folder", "write_result"]
