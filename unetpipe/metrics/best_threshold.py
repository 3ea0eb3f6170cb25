"""Metrics that score class probabilities at the best of several thresholds."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from numbers import Real
from typing import Any, TypedDict

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.errors import InputError
from unetpipe.instances import InstanceSettings
from unetpipe.metrics.detection import mean_precision
from unetpipe.metrics.pixels import PixelScore, pixel_score
from unetpipe.processes import FreshProcesses, in_processes
from unetpipe.transforms.perturbed import PERTURBATIONS, perturbation_of

logger = logging.getLogger(__name__)

TOLERANCE = 1e-9  # scores this near are equal


class BestThresholdMetric(CumulativeIterationMetric):
    """The mean of a score of class probabilities at the best of several thresholds, chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and instance maps (1, H, W); ``aggregate`` returns the
    highest mean, NaN before the first score. ``best`` holds the thresholds that reached it; where several did, it holds
    the middle ones. Perturbed frames count as :func:`best_choice` says, and ``parts`` holds their scores. A subclass
    defines the scores: one for each image, or one for each object.

    Parameters
    ----------
    thresholds : iterable of float
        Thresholds of the probability of "cell" to try.
    marker_thresholds : iterable of float or of sequences of float
        Thresholds of confident centres to try with each threshold that is lower, or several that are used one after
        another. Where none is higher, cells are not cut.
    merge_thresholds : iterable of float
        Merge thresholds to try with each marker threshold.
    min_size, ridge_refill_radius
        See :class:`unetpipe.instances.InstanceSettings`.

    Attributes
    ----------
    processes : FreshProcesses, optional
        They score while this process continues; ``aggregate`` waits for them. Until then the metric holds what it was
        called with. The scores are the same without them.
    """

    def __init__(
        self,
        thresholds: Iterable[float],
        marker_thresholds: Iterable[float | Sequence[float]] = (),
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
        self.processes: FreshProcesses | None = None
        self._coming: list[tuple[int, Callable[[], list[np.ndarray]]]] = []
        self.parts: dict[str, float] = {}

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
        scoring = self._scoring(y_pred, y)
        self._coming += [(kind, self.processes.start(score, self.settings)) for kind, score in scoring]
        return None

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        return _sums([(kind, in_processes(score, self.settings)) for kind, score in self._scoring(y_pred, y)])

    def _scoring(
        self, y_pred: Any, y: Any
    ) -> list[tuple[int, Callable[[Sequence[InstanceSettings]], list[np.ndarray]]]]:
        """Return for each image the number of its kind, and what scores it at some settings."""
        if y is None:
            raise ValueError(f"{type(self).__name__} needs the truth as well as the prediction.")
        return [
            (
                kind_of(truth),
                partial(_score, self.scores, convert_to_numpy(truth)[0], 1 - convert_to_numpy(probability)[0]),
            )
            for probability, truth in zip(y_pred, y, strict=True)
        ]

    def reset(self) -> None:
        """Forget all scores."""
        super().reset()
        self._coming = []

    def aggregate(self) -> float:
        """Return the highest mean over the thresholds."""
        coming, self._coming = self._coming, []
        for kind, scores in coming:  # in the order of the images, so that the sums are the same
            self.extend(_sums([(kind, scores())]))
        buffer = self.get_buffer()
        sums = {} if buffer is None else sums_by_kind(buffer)  # type: ignore[arg-type]
        means = {kind: row[:-1] / row[-1] for kind, row in sums.items() if row[-1]}
        if PLAIN not in means:
            return float("nan")
        place, score, self.parts = best_choice(means)
        self.best = self.choices[place]
        return score


PLAIN = "plain"
KINDS = (PLAIN, *PERTURBATIONS)


def kind_of(truth: Any) -> int:
    """Return the number in ``KINDS`` of the perturbation that a truth's meta data name."""
    return KINDS.index(perturbation_of(truth) or PLAIN)


def sums_by_kind(rows: torch.Tensor) -> dict[str, np.ndarray]:
    """Return the sums (n,) of the rows (frames, 1 + n) of each kind that is there; rows begin with a kind's number."""
    table = convert_to_numpy(rows)
    return {KINDS[int(kind)]: table[table[:, 0] == kind, 1:].sum(0) for kind in np.unique(table[:, 0])}


def best_choice(means: Mapping[str, np.ndarray]) -> tuple[int, float, dict[str, float]]:
    """Choose by plain and perturbed frames, which count half each; each perturbation counts as much as another.

    Parameters
    ----------
    means : dict of str to ndarray
        By the kind of frames, "plain" or a perturbation, the score (n,) of each choice.

    Returns
    -------
    int, float, dict of str to float
        Number of the best choice, of equals the middle one; its score; its score for each kind. Where there are
        perturbed frames, the log says them.

    Examples
    --------
    >>> best_choice({"plain": np.array([0.9, 0.8]), "ramp 1 sd": np.array([0.3, 0.6])})
    (1, 0.7, {'plain': 0.8, 'ramp 1 sd': 0.6})
    """
    others = [mean for kind, mean in means.items() if kind != PLAIN]
    both = (means[PLAIN] + np.mean(others, axis=0)) / 2 if others else means[PLAIN]
    equals = np.flatnonzero(both >= both.max() - TOLERANCE)
    place = int(equals[len(equals) // 2])
    parts = {kind: float(mean[place]) for kind, mean in means.items()}
    if others:
        perturbed = 2 * float(both[place]) - parts[PLAIN]
        each = ", ".join(f"{kind} {score:.4f}" for kind, score in parts.items() if kind != PLAIN)
        logger.info("%.4f on plain frames, %.4f on perturbed ones (%s)", parts[PLAIN], perturbed, each)
    return place, float(both[place]), parts


def _sums(found: Iterable[tuple[int, list[np.ndarray]]]) -> torch.Tensor:
    """Return for each image its kind, its sum of scores at each setting, and their number: (images, 2 + settings)."""
    rows = [[kind, *(scores.sum() for scores in image), len(image[0])] for kind, image in found]
    return torch.tensor(rows, dtype=torch.float64)


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
    marker_threshold: float | Sequence[float] | None
    merge_threshold: float | None


def threshold_choices(
    thresholds: Iterable[float],
    marker_thresholds: Iterable[float | Sequence[float]] = (),
    merge_thresholds: Iterable[float] = (),
) -> list[Thresholds]:
    """Return every threshold with every marker threshold above it, and those with every merge threshold.

    A threshold with no marker threshold above it comes once, without a marker threshold. Of several marker thresholds
    that are used one after another, the highest counts: those that are not above the threshold cut nothing. They are
    not tried with merge thresholds.

    Raises
    ------
    InputError
        If a marker threshold is neither a number nor a list of numbers.

    Examples
    --------
    >>> [tuple(choice.values()) for choice in threshold_choices([0.9, 0.5], [0.7, 0.8])]
    [(0.5, 0.7, None), (0.5, 0.8, None), (0.9, None, None)]
    >>> [choice["marker_threshold"] for choice in threshold_choices([0.5], [0.9, [0.6, 0.8]])]
    [[0.6, 0.8], 0.9]
    >>> [choice["marker_threshold"] for choice in threshold_choices([0.5], [0.9, [0.6, 0.8]], [0.4])]
    [0.9]
    """
    choices: list[Thresholds] = []
    markers = sorted(map(_checked, marker_thresholds), key=highest)
    merges: list[float | None] = [*sorted(merge_thresholds)]
    for threshold in sorted(thresholds):
        above = [
            marker for marker in markers if highest(marker) > threshold and not (merges and isinstance(marker, list))
        ]
        for marker, merge in product(above, merges or [None]) if above else [(None, None)]:
            choices.append({"threshold": threshold, "marker_threshold": marker, "merge_threshold": merge})
    return choices


def highest(marker: float | Sequence[float]) -> float:
    """Return a marker threshold, or the highest of several."""
    return max(marker) if isinstance(marker, Sequence) else marker


def _checked(marker: float | Sequence[float]) -> float | list[float]:
    """Return a marker threshold, or a list of several."""
    parts = list(marker) if isinstance(marker, Sequence) and not isinstance(marker, str) else [marker]
    if not parts or any(isinstance(part, bool) or not isinstance(part, Real) for part in parts):
        raise InputError(f"marker_thresholds holds {marker!r}, which is neither a number nor a list of numbers.")
    return parts if isinstance(marker, Sequence) else marker  # type: ignore[return-value]


class BestThresholdDiceMetric(CumulativeIterationMetric):
    """Dice of foreground over all pixels of all images, at a threshold that is chosen on validation frames.

    Call it with lists of probabilities (K, H, W) and label maps (1, H, W), nonzero where foreground; ``aggregate``
    returns the highest Dice. ``best`` holds the threshold that reached it; where several did, it holds the middle one.
    Perturbed frames count as :func:`best_choice` says, and ``parts`` holds their scores.

    Parameters
    ----------
    thresholds : iterable of float
        Thresholds of the probability of foreground, 1 minus that of class 0, to try.
    """

    def __init__(self, thresholds: Iterable[float]) -> None:
        super().__init__()
        self.choices = threshold_choices(thresholds)
        self.best = self.choices[len(self.choices) // 2]
        self.parts: dict[str, float] = {}

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("Dice needs the truth as well as the prediction.")
        rows = []
        for probability, truth in zip(y_pred, y, strict=True):
            foreground, label = 1 - convert_to_numpy(probability)[0], convert_to_numpy(truth)[0]
            scores = [pixel_score(label, foreground > choice["threshold"]) for choice in self.choices]
            rows.append([kind_of(truth), *(count for score in scores for count in score)])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the highest Dice over the thresholds."""
        sums = sums_by_kind(self.get_buffer())  # type: ignore[arg-type]
        means = {
            kind: np.array([PixelScore(int(both), int(either)).dice for both, either in row.reshape(-1, 2)])
            for kind, row in sums.items()
        }
        place, score, self.parts = best_choice(means)
        self.best = self.choices[place]
        return score
