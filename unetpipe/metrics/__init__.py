"""Metrics: the challenges' own measures."""

from unetpipe.metrics.seg import BestThresholdSEGMetric, SEGMetric, object_jaccards

__all__ = ["BestThresholdSEGMetric", "SEGMetric", "object_jaccards"]
