"""Report: pictures of data and results, tables of scores, and a page that shows the mistakes."""

from unetpipe.report.gallery import Gallery, ScoredFrame
from unetpipe.report.mistakes import FrameMistakes, find_mistakes
from unetpipe.report.page import write_report
from unetpipe.report.pictures import SaveOverlayd, contact_sheet, overlay, thumbnail
from unetpipe.report.runs import ReportPage, ReportScores, report_training

__all__ = [
    "FrameMistakes",
    "Gallery",
    "ReportPage",
    "ReportScores",
    "SaveOverlayd",
    "ScoredFrame",
    "contact_sheet",
    "find_mistakes",
    "overlay",
    "report_training",
    "thumbnail",
    "write_report",
]
