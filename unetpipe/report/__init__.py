"""Report: pictures of data and results, tables of scores, and a page that shows what went wrong."""

from unetpipe.report.contact_sheet import contact_sheet, thumbnail
from unetpipe.report.evaluating import ReportScores
from unetpipe.report.gallery import Gallery, ScoredFrame
from unetpipe.report.handler import ReportPage
from unetpipe.report.mistakes import FrameMistakes, find_mistakes
from unetpipe.report.overlay import SaveOverlayd, overlay
from unetpipe.report.page import write_report
from unetpipe.report.training import report_training

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
