"""Report: pictures of results."""

from unetpipe.report.overlay import SaveOverlayd, overlay

__all__ = ["SaveOverlayd", "overlay"]
