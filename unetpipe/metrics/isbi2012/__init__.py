"""The measures of the ISBI 2012 EM segmentation challenge, equal to those of the challenge's own code.

Truth and proposal are stacks (slices, H, W). Everything is measured in 2D, slice by slice.
"""

from unetpipe.metrics.isbi2012.rand import ThinnedScores, rand_error, thinned_labels, thinned_scores
from unetpipe.metrics.isbi2012.score import (
    BestThresholdRandMetric,
    close_membranes,
    isbi2012_scores,
    pixel_distance,
    pixel_error,
    proposal_of_cells,
)
from unetpipe.metrics.isbi2012.thresholds import THRESHOLDS, ThresholdScores
from unetpipe.metrics.isbi2012.warping import Mismatch, WarpingScores, classify, warp, warping_error

__all__ = [
    "THRESHOLDS",
    "BestThresholdRandMetric",
    "Mismatch",
    "ThinnedScores",
    "ThresholdScores",
    "WarpingScores",
    "classify",
    "close_membranes",
    "isbi2012_scores",
    "pixel_distance",
    "pixel_error",
    "proposal_of_cells",
    "rand_error",
    "thinned_labels",
    "thinned_scores",
    "warp",
    "warping_error",
]
