"""Metrics: the challenges' own measures. Those of ISBI 2012 are in :mod:`unetpipe.metrics.isbi2012`."""

from unetpipe.metrics.aogm import DETMetric, det_score, seg_score, tra_score
from unetpipe.metrics.best_threshold import (
    BestThresholdDiceMetric,
    BestThresholdMeanPrecisionMetric,
    BestThresholdMetric,
)
from unetpipe.metrics.borders import BorderScore, border_score
from unetpipe.metrics.ctc import CTCScore, score_result
from unetpipe.metrics.detection import detection_score, mean_precision
from unetpipe.metrics.frame import FrameScore, score_segmentation
from unetpipe.metrics.matching import within_known
from unetpipe.metrics.pixels import mask_dice, mask_iou
from unetpipe.metrics.seg import BestThresholdSEGMetric, SEGMetric, object_jaccards
from unetpipe.metrics.summary import Summary, summarise

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
    "score_result",
    "score_segmentation",
    "seg_score",
    "summarise",
    "tra_score",
    "within_known",
]
