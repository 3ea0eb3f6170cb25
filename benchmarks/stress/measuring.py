"""Segment each frame of a data set as it is and perturbed, and score what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.stress.perturbations import STRESS, View, empty_places, empty_view, perturbed, same_cells
from unetpipe.datasets import Record, read_truth
from unetpipe.datasets.layouts import check_same_size
from unetpipe.datasets.pixels import read_for_network
from unetpipe.metrics.detection import mean_precision
from unetpipe.metrics.isbi2012.score import BestThresholdRandMetric
from unetpipe.metrics.matching import within_known
from unetpipe.metrics.seg_det_tra import object_jaccards
from unetpipe.predictor import Predictor

PLAIN, EMPTY = "plain", "empty field"
MEASURES = {"isbi2012": "1 − Rand error", "dsb2018": "mean precision"}
SEG = "SEG"
SPECK = 0.1  # of the median cell: smaller objects of an empty field do not count


@dataclass(frozen=True)
class ViewScore:
    """What a model found in a view of a frame.

    Attributes
    ----------
    view : str
        Name of the perturbation.
    frame : str
        Which frame: sequence and number.
    measure : str
        "SEG", "mean precision" or "1 − Rand error".
    scores, unperturbed : dict of int to float
        By the number of the true cell in SEG, of the cells that the view shows whole; else one score, of number 0.
        ``unperturbed`` are those of the same cells in the frame as it is. Both are empty in an empty field.
    objects, largest : int
        Number of objects, area of the largest in pixels.
    largest_cell, median_cell : float
        Areas of the true cells in the frame, at the size that the view has.
    """

    view: str
    frame: str
    measure: str
    scores: dict[int, float]
    unperturbed: dict[int, float]
    objects: int
    largest: int
    largest_cell: float
    median_cell: float


@dataclass(frozen=True)
class Summary:
    """The scores of a view over all frames.

    Attributes
    ----------
    view, measure : str
        As of :class:`ViewScore`.
    score : float or None
        Mean of the scores.
    count : int
        How many scores that are.
    change : float or None
        The score less that of the same cells in the unperturbed frames.
    largest : float or None
        The largest object of a frame over the largest true cell of that frame, where that is highest.
    in_empty_fields : int or None
        Objects above a tenth of the median cell in fields without cells; None for other views.
    """

    view: str
    measure: str
    score: float | None
    count: int
    change: float | None
    largest: float | None
    in_empty_fields: int | None


def measure_views(predictor: Predictor, records: Sequence[Record], views: Iterable[str]) -> Iterator[ViewScore]:
    """Yield the score of each view of each frame.

    Parameters
    ----------
    predictor : Predictor
        The model.
    records : sequence of Record
        Frames with truth.
    views : iterable of str
        Names of perturbations in ``STRESS``, and "empty field": the frame's largest place without cells.
    """
    for record in records:
        pixels = read_for_network(record, predictor.channels)
        image = torch.from_numpy(pixels.astype(np.float32))
        truth, known = read_truth(record)
        check_same_size(record, truth, pixels.shape)
        areas = np.bincount(truth.ravel())[1:]
        areas = areas[areas > 0]
        plain = _segment(predictor, image)
        for name in views:
            if name == EMPTY:
                places = empty_places((truth == 0) & known)
                if not len(places):
                    continue
                view = empty_view(image, tuple(places[0].tolist()))
            else:
                view = perturbed(name, image, truth)
            cells = plain if name == PLAIN else _segment(predictor, view.image)
            yield _score(record, name, view, cells, same_cells(image, truth, view.truth), plain, areas)


def _segment(predictor: Predictor, image: torch.Tensor) -> np.ndarray:
    """Return the cells (H, W) of grey values (C, H, W)."""
    pixels = np.moveaxis(image.numpy(), 0, -1)
    cells = predictor(pixels if predictor.channels > 1 else pixels[..., 0], "yxc" if predictor.channels > 1 else "yx")
    assert isinstance(cells, np.ndarray)
    return cells


def _score(
    record: Record, name: str, view: View, cells: np.ndarray, same: View, plain: np.ndarray, areas: np.ndarray
) -> ViewScore:
    found = np.bincount(cells.ravel())[1:]
    if name == EMPTY:
        found = found[found > SPECK * np.median(areas)] if len(areas) else found
    top, left = view.corner
    height, width = view.truth.shape
    measure = MEASURES.get(record["layout"], SEG)
    scale = STRESS[name][1] ** 2 if name.startswith("zoom") else 1.0
    scores: dict[int, float] = {}
    unperturbed: dict[int, float] = {}
    if name != EMPTY:
        scores = _scores(measure, view.truth, cells[top : top + height, left : left + width], view.known)
        unperturbed = _scores(measure, same.truth, plain, same.known)
    return ViewScore(
        name,
        f"{record['sequence']}/{record['frame']}",
        measure,
        scores,
        unperturbed,
        len(found),
        int(found.max(initial=0)),
        scale * float(areas.max(initial=0)),
        scale * float(np.median(areas)) if len(areas) else 0.0,
    )


def _scores(measure: str, truth: np.ndarray, cells: np.ndarray, known: np.ndarray | None) -> dict[int, float]:
    if measure == SEG:
        numbers = np.unique(truth[truth > 0]).tolist()
        return dict(zip(numbers, object_jaccards(truth, cells).tolist(), strict=True))
    if not truth.any():
        return {}
    if measure == MEASURES["dsb2018"]:
        if known is not None:
            truth, cells = within_known(truth, cells, known)
        return {0: mean_precision(truth, cells)}
    return {0: float(BestThresholdRandMetric.scores(truth, cells)[0])}


def summarise(scores: Sequence[ViewScore]) -> list[Summary]:
    """Return the scores of each view over all frames, in the order in which the views were first measured."""
    rows = []
    for name in dict.fromkeys(score.view for score in scores):
        mine = [score for score in scores if score.view == name]
        values = [value for score in mine for value in score.scores.values()]
        changes = [value - score.unperturbed[number] for score in mine for number, value in score.scores.items()]
        ratios = [score.largest / score.largest_cell for score in mine if score.largest_cell]
        rows.append(
            Summary(
                name,
                mine[0].measure,
                float(np.mean(values)) if values else None,
                len(values) if name != EMPTY else len(mine),
                float(np.mean(changes)) if changes else None,
                max(ratios, default=None),
                sum(score.objects for score in mine) if name == EMPTY else None,
            )
        )
    return rows
