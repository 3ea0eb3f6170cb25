"""Report: pictures of data and results."""

from unetpipe.report.contact_sheet import contact_sheet, thumbnail
from unetpipe.report.overlay import SaveOverlayd, overlay

__all__ = ["SaveOverlayd", "contact_sheet", "overlay", "thumbnail"]
