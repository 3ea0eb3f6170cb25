"""The Rand error as a metric of the engines, to choose a model for membranes."""

from __future__ import annotations

import numpy as np

from unetpipe.metrics.best_threshold import BestThresholdMetric
from unetpipe.metrics.isbi2012.cells import proposal_of_cells
from unetpipe.metrics.isbi2012.rand import rand_error


class BestThresholdRandMetric(BestThresholdMetric):
    """1 − foreground-restricted Rand error, averaged over the slices, at the best of several thresholds."""

    @staticmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return 1 − the Rand error of one slice, (1,)."""
        return np.array([1 - rand_error(truth[None], proposal_of_cells(cells)[None], (0.5,)).best])
