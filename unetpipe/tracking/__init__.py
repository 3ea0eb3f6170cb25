"""Tracking: segmented cells linked from frame to frame."""

from unetpipe.tracking.link import CellLinker, link_cells, write_result

__all__ = ["CellLinker", "link_cells", "write_result"]
