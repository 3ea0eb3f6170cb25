"""Metrics that score class probabilities at the best of several thresholds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from typing import Any, TypedDict

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.instances import InstanceSettings
from unetpipe.metrics.detection import mean_precision
from unetpipe.metrics.parallel import ScoringProcesses, in_processes
from unetpipe.metrics.pixels import PixelScore, pixel_score


class BestThresholdMetric(CumulativeIterationMetric):
    """The mean of a score of class probabilities at the best of several thresholds, chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and instance maps (1, H, W); ``aggregate`` returns the
    highest mean, NaN before the first score. ``best`` holds the thresholds that reached it; where several did, it holds
    the middle ones. A subclass defines the scores: one for each image, or one for each object.

    Parameters
    ----------
    thresholds : iterable of float
        Thresholds of the probability of "cell" to try.
    marker_thresholds : iterable of float
        Thresholds of confident centres to try with each threshold that is lower. Where none is higher, cells are not
        cut.
    merge_thresholds : iterable of float
        Merge thresholds to try with each marker threshold.
    min_size, ridge_refill_radius
        See :class:`unetpipe.instances.InstanceSettings`.

    Attributes
    ----------
    processes : ScoringProcesses, optional
        They score while this process goes on; ``aggregate`` waits for them. Until then the metric holds what it was
        called with. The scores are the same without them.
    """

    def __init__(
        self,
        thresholds: Iterable[float],
        marker_thresholds: Iterable[float] = (),
        merge_thresholds: Iterable[float] = (),
        min_size: int = 0,
        ridge_refill_radius: float = 2.0,
    ) -> None:
        super().__init__()
        self.choices = threshold_choices(thresholds, marker_thresholds, merge_thresholds)
        self.settings = [
            InstanceSettings(**choice, min_size=min_size, ridge_refill_radius=ridge_refill_radius)
            for choice in self.choices
        ]
        self.best = self.choices[len(self.choices) // 2]
        self.processes: ScoringProcesses | None = None
        self._coming: list[Callable[[], list[np.ndarray]]] = []

    @staticmethod
    @abstractmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of one image's cells (H, W) against the truth (H, W), both instance maps; 1 at best.

        Their number depends only on the truth.
        """

    def __call__(self, y_pred: Any, y: Any = None, **kwargs: Any) -> Any:
        """Score images; with ``processes``, let these begin to."""
        if self.processes is None:
            return super().__call__(y_pred, y, **kwargs)
        self._coming += [self.processes.start(score, self.settings) for score in self._scoring(y_pred, y)]
        return None

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        return _sums([in_processes(score, self.settings) for score in self._scoring(y_pred, y)])

    def _scoring(self, y_pred: Any, y: Any) -> list[Callable[[Sequence[InstanceSettings]], list[np.ndarray]]]:
        """Return for each image what scores it at some settings."""
        if y is None:
            raise ValueError(f"{type(self).__name__} needs the truth as well as the prediction.")
        return [
            partial(_score, self.scores, convert_to_numpy(truth)[0], 1 - convert_to_numpy(probability)[0])
            for probability, truth in zip(y_pred, y, strict=True)
        ]

    def reset(self) -> None:
        """Forget all scores."""
        super().reset()
        self._coming = []

    def aggregate(self) -> float:
        """Return the highest mean over the thresholds."""
        coming, self._coming = self._coming, []
        for scores in coming:  # in the order of the images, so that the sums are the same
            self.extend(_sums([scores()]))
        buffer = self.get_buffer()
        if buffer is None:
            return float("nan")
        *totals, count = buffer.sum(0).tolist()  # type: ignore[union-attr]
        if not count:
            return float("nan")
        best = [choice for choice, total in zip(self.choices, totals, strict=True) if total == max(totals)]
        self.best = best[len(best) // 2]
        return max(totals) / count


def _sums(found: Iterable[list[np.ndarray]]) -> torch.Tensor:
    """Return for each image the sum of its scores at each setting, and their number: (images, settings + 1)."""
    return torch.tensor([[*(scores.sum() for scores in image), len(image[0])] for image in found], dtype=torch.float64)


def _score(
    scores: Callable[[np.ndarray, np.ndarray], np.ndarray],
    label: np.ndarray,
    cell: np.ndarray,
    settings: Sequence[InstanceSettings],
) -> list[np.ndarray]:
    """Return the scores at each of some settings."""
    return [scores(label, setting.instances(cell)) for setting in settings]


class BestThresholdMeanPrecisionMetric(BestThresholdMetric):
    """The mean precision of the Data Science Bowl 2018, averaged over the images, at the best of several thresholds.

    SEG asks only whether each true cell was found. This measure also counts invented cells against the result
    (:func:`unetpipe.metrics.mean_precision`).
    """

    @staticmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the mean precision over IoU 0.5–0.95 of one image, (1,)."""
        return np.array([mean_precision(truth, cells)])


class Thresholds(TypedDict):
    """The fields of :class:`unetpipe.instances.InstanceSettings` that are chosen on validation frames."""

    threshold: float
    marker_threshold: float | None
    merge_threshold: float | None


def threshold_choices(
    thresholds: Iterable[float], marker_thresholds: Iterable[float] = (), merge_thresholds: Iterable[float] = ()
) -> list[Thresholds]:
    """Return every threshold with every marker threshold above it, and those with every merge threshold.

    A threshold with no marker threshold above it comes once, without a marker threshold.

    Examples
    --------
    >>> [tuple(choice.values()) for choice in threshold_choices([0.9, 0.5], [0.7, 0.8])]
    [(0.5, 0.7, None), (0.5, 0.8, None), (0.9, None, None)]
    """
    choices: list[Thresholds] = []
    markers = sorted(marker_thresholds)
    merges: list[float | None] = [*sorted(merge_thresholds)]
    for threshold in sorted(thresholds):
        above = [marker for marker in markers if marker > threshold]
        for marker, merge in product(above, merges or [None]) if above else [(None, None)]:
            choices.append({"threshold": threshold, "marker_threshold": marker, "merge_threshold": merge})
    return choices


class BestThresholdDiceMetric(CumulativeIterationMetric):
    """Dice of foreground over all pixels of all images, at a threshold that is chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and label maps (1, H, W), nonzero where foreground; ``aggregate``
    returns the highest Dice. ``best`` holds the threshold that reached it; where several did, it holds the middle one.

    Parameters
    ----------
    thresholds : iterable of float
        Thresholds of the probability of foreground, 1 minus that of class 0, to try.
    """

    def __init__(self, thresholds: Iterable[float]) -> None:
        super().__init__()
        self.choices = threshold_choices(thresholds)
        self.best = self.choices[len(self.choices) // 2]

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("Dice needs the truth as well as the prediction.")
        rows = []
        for probability, truth in zip(y_pred, y, strict=True):
            foreground, label = 1 - convert_to_numpy(probability)[0], convert_to_numpy(truth)[0]
            rows.append([pixel_score(label, foreground > choice["threshold"]) for choice in self.choices])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the highest Dice over the thresholds."""
        sums = self.get_buffer().sum(0).tolist()  # type: ignore[union-attr]
        dice = [PixelScore(int(both), int(either)).dice for both, either in sums]
        best = [choice for choice, value in zip(self.choices, dice, strict=True) if value == max(dice)]
        self.best = best[len(best) // 2]
        return max(dice)
