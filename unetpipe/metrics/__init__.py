"""Metrics: the measures of the challenges. Those of ISBI 2012 are in :mod:`unetpipe.metrics.isbi2012`."""

from unetpipe.metrics.best_threshold import (
    BestThresholdDiceMetric,
    BestThresholdMeanPrecisionMetric,
    BestThresholdMetric,
)
from unetpipe.metrics.ctc import CTCScore, score_result
from unetpipe.metrics.detection import detection_score, mean_precision
from unetpipe.metrics.divisions import score_divisions
from unetpipe.metrics.matching import within_known
from unetpipe.metrics.pixels import BorderScore, border_score, mask_dice, mask_iou
from unetpipe.metrics.seg_det_tra import (
    BestThresholdSEGMetric,
    DETMetric,
    SEGMetric,
    det_score,
    object_jaccards,
    seg_score,
    tra_score,
)
from unetpipe.metrics.summary import FrameScore, Summary, score_segmentation, summarise

__all__ = [
    "BestThresholdDiceMetric",
    "BestThresholdMeanPrecisionMetric",
    "BestThresholdMetric",
    "BestThresholdSEGMetric",
    "BorderScore",
    "CTCScore",
    "DETMetric",
    "FrameScore",
    "SEGMetric",
    "Summary",
    "border_score",
    "det_score",
    "detection_score",
    "mask_dice",
    "mask_iou",
    "mean_precision",
    "object_jaccards",
    "score_divisions",
    "score_result",
    "score_segmentation",
    "seg_score",
    "summarise",
    "tra_score",
    "within_known",
]
