"""Report: pictures of data and results, tables of scores, and a page that shows the mistakes."""

from unetpipe.report.gallery import Gallery, ScoredFrame
from unetpipe.report.mistakes import FrameMistakes, find_mistakes
from unetpipe.report.page import write_report
from unetpipe.report.pictures import SaveOutlinesd, contact_sheet, draw_outlines, thumbnail
from unetpipe.report.runs import ReportPage, ReportScores, report_training

__all__ = [
    "FrameMistakes",
    "Gallery",
    "ReportPage",
    "ReportScores",
    "SaveOutlinesd",
    "ScoredFrame",
    "contact_sheet",
    "draw_outlines",
    "find_mistakes",
    "report_training",
    "thumbnail",
    "write_report",
]

SaveOverlayd = SaveOutlinesd  # its name in the configs of bundles that were trained earlier
