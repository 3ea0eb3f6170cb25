"""Metrics: the challenges' own measures. Those of ISBI 2012 are in :mod:`unetpipe.metrics.isbi2012`."""

from unetpipe.metrics.ctc import CTCScore, det_score, score_result, seg_score, tra_score
from unetpipe.metrics.detection import detection_score, mask_dice, mask_iou, mean_precision
from unetpipe.metrics.seg import BestThresholdSEGMetric, SEGMetric, object_jaccards

__all__ = [
    "BestThresholdSEGMetric",
    "CTCScore",
    "SEGMetric",
    "det_score",
    "detection_score",
    "mask_dice",
    "mask_iou",
    "mean_precision",
    "object_jaccards",
    "score_result",
    "seg_score",
    "tra_score",
]
