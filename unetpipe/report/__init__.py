"""Report: pictures of data and results, and tables of scores."""

from unetpipe.report.contact_sheet import contact_sheet, thumbnail
from unetpipe.report.evaluating import ReportScores
from unetpipe.report.overlay import SaveOverlayd, overlay

__all__ = ["ReportScores", "SaveOverlayd", "contact_sheet", "overlay", "thumbnail"]
