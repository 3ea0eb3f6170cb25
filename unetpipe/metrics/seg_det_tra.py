"""SEG, DET and TRA, the measures of the Cell Tracking Challenge.

SEG is the Jaccard index of each reference object with the one result object that covers more than half of it, 0
where none does, averaged over all reference objects.

DET and TRA compare two graphs. A sequence of instance maps is a graph: each cell in each frame is a vertex. Edges
join the same cell in consecutive frames (track links), and the last frame of a parent with the first frame of its
child (parent links). Both measures add up the weights of the corrections that turn the result's graph into the
reference's; DET counts only those of the vertices.

References
----------
M. Maška et al.: A benchmark for comparison of cell tracking algorithms, Bioinformatics 30 (2014).
P. Matula et al.: Cell tracking accuracy measurement based on comparison of acyclic oriented graphs
(AOGM), PLoS ONE 10 (2015) e0144959.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_numpy

from unetpipe.io.track_tables import Track, check_tracks
from unetpipe.metrics.best_threshold import BestThresholdMetric
from unetpipe.metrics.matching import FrameMatch, match_frame, overlap

# The challenge's weights of the corrections: how much work each one is for a person
WEIGHT_NS = 5.0  # split a vertex
WEIGHT_FN = 10.0  # add a vertex
WEIGHT_FP = 1.0  # delete a vertex
WEIGHT_ED = 1.0  # delete an edge
WEIGHT_EA = 1.5  # add an edge
WEIGHT_EC = 1.0  # change an edge from track link to parent link or back

Vertex = tuple[int, int]  # frame, id


def object_jaccards(truth: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return what each reference object contributes to SEG.

    This is |R ∩ S| / |R ∪ S| of the reference object R with the result object S that covers more than half of it,
    2 |R ∩ S| > |R|, and 0 if no result object does.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.

    Returns
    -------
    ndarray
        (number of reference objects,), float64, 0 … 1, in the order of their ids.

    Raises
    ------
    ValueError
        If the maps differ in shape, or hold anything but integers from 0.

    Examples
    --------
    Three of the four pixels of cell 1 are found; cell 2 is covered by half, which is too little.

    >>> object_jaccards(np.array([[1, 1, 1, 1, 2, 2]]), np.array([[5, 5, 5, 0, 7, 0]]))
    array([0.75, 0.  ])
    """
    truth_ids, _, shared = overlap(truth, result)
    covers = 2 * shared.counts > shared.row_sizes[shared.rows]
    jaccards = np.zeros(len(truth_ids))
    jaccards[shared.rows[covers] - 1] = shared.ious[covers]
    return jaccards


def seg_score(references: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """Return SEG of a sequence: the mean of :func:`object_jaccards` over all reference objects of all frames.

    Parameters
    ----------
    references, results : sequence of ndarray
        Instance maps (H, W), frame by frame.

    Returns
    -------
    float
        0 … 1; NaN if there is no reference object.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 1, 2, 2]])
    >>> seg_score([truth, truth], [truth, np.array([[5, 5, 5, 0, 7, 0]])])
    0.6875
    """
    pairs = zip(references, results, strict=True)
    jaccards = [jaccard for reference, result in pairs for jaccard in object_jaccards(reference, result).tolist()]
    return float(np.mean(jaccards)) if jaccards else float("nan")


@dataclass(frozen=True)
class AOGMErrors:
    """How many corrections of each kind the result's graph needs, and the size of the reference's graph.

    Attributes
    ----------
    ns, fn, fp : int
        Vertices to split, to add and to delete.
    ed, ea, ec : int
        Edges to delete, to add and to change; 0 without tracks.
    vertices, edges : int
        Vertices and edges of the reference.

    Examples
    --------
    Of ten cells one is missed, and one object is invented: 1 − (10 + 1) / (10 · 10).

    >>> AOGMErrors(ns=0, fn=1, fp=1, ed=0, ea=0, ec=0, vertices=10, edges=0).det
    0.89
    """

    ns: int
    fn: int
    fp: int
    ed: int
    ea: int
    ec: int
    vertices: int
    edges: int

    @property
    def det(self) -> float:
        """DET: 1 − cost of correcting the vertices / cost of adding all of them; NaN without reference."""
        return _normalised(self._vertex_cost, WEIGHT_FN * self.vertices)

    @property
    def tra(self) -> float:
        """TRA: 1 − cost of all corrections / cost of adding the whole graph; NaN without reference."""
        edge_cost = WEIGHT_ED * self.ed + WEIGHT_EA * self.ea + WEIGHT_EC * self.ec
        return _normalised(self._vertex_cost + edge_cost, WEIGHT_FN * self.vertices + WEIGHT_EA * self.edges)

    @property
    def _vertex_cost(self) -> float:
        return WEIGHT_NS * self.ns + WEIGHT_FN * self.fn + WEIGHT_FP * self.fp


def count_errors(
    frames: Mapping[int, FrameMatch],
    reference_tracks: Sequence[Track] | None = None,
    result_tracks: Sequence[Track] | None = None,
) -> AOGMErrors:
    """Count the corrections that turn the result's graph into the reference's.

    Parameters
    ----------
    frames : mapping of int to FrameMatch
        Frame numbers and what was matched there.
    reference_tracks, result_tracks : sequence of Track, optional
        Give both or neither. Without them there are no edges, so TRA has no meaning.
    """
    paired: dict[Vertex, Vertex] = {}  # result to reference, where matched one to one
    ns = fn = fp = 0
    for frame, match in frames.items():
        covers = Counter(match.matched)
        fn += covers.pop(0, 0)
        fp += len(match.result) - len(covers)
        ns += covers.total() - len(covers)
        pairs = zip(match.matched, match.reference, strict=True)
        paired.update({(frame, found): (frame, cell) for found, cell in pairs if covers[found] == 1})
    vertices = sum(len(match.reference) for match in frames.values())
    if reference_tracks is None or result_tracks is None:
        return AOGMErrors(ns, fn, fp, 0, 0, 0, vertices, 0)
    wanted = _edges({frame: match.reference for frame, match in frames.items()}, reference_tracks)
    drawn = _edges({frame: match.result for frame, match in frames.items()}, result_tracks)
    drawn = {(paired[a], paired[b]): kind for (a, b), kind in drawn.items() if a in paired and b in paired}
    ed, ea = len(drawn.keys() - wanted.keys()), len(wanted.keys() - drawn.keys())
    ec = sum(wanted.get(edge, kind) != kind for edge, kind in drawn.items())
    return AOGMErrors(ns, fn, fp, ed, ea, ec, vertices, len(wanted))


def det_score(references: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """Return DET of a sequence; the arguments are those of :func:`seg_score`. NaN without any reference object.

    Examples
    --------
    One of two cells is missed: 1 − 10 / (10 · 2).

    >>> det_score([np.array([[1, 1, 0, 2, 2]])], [np.array([[1, 1, 0, 0, 0]])])
    0.5
    """
    return count_errors(_match_frames(references, results)).det


def tra_score(
    references: Sequence[np.ndarray],
    results: Sequence[np.ndarray],
    reference_tracks: Sequence[Track],
    result_tracks: Sequence[Track],
) -> float:
    """Return TRA of a sequence with tracks.

    Parameters
    ----------
    references, results : sequence of ndarray
        Instance maps (H, W), from frame 0 on.
    reference_tracks, result_tracks : sequence of Track

    Returns
    -------
    float
        0 … 1; NaN if there is no reference object.

    Raises
    ------
    InputError
        If tracks do not fit their maps.

    Examples
    --------
    A cell is found in both frames, but its track is cut in two: 1 − 1.5 / (10 · 2 + 1.5).

    >>> truth = [np.array([[1]]), np.array([[1]])]
    >>> result = [np.array([[1]]), np.array([[2]])]
    >>> round(tra_score(truth, result, [Track(1, 0, 1, 0)], [Track(1, 0, 0, 0), Track(2, 1, 1, 0)]), 4)
    0.9302
    """
    frames = _match_frames(references, results)
    check_tracks(reference_tracks, {frame: match.reference for frame, match in frames.items()}, "the reference")
    check_tracks(result_tracks, {frame: match.result for frame, match in frames.items()}, "the result")
    return count_errors(frames, reference_tracks, result_tracks).tra


def _normalised(cost: float, from_nothing: float) -> float:
    return 1 - min(cost, from_nothing) / from_nothing if from_nothing else float("nan")


def _edges(ids: Mapping[int, tuple[int, ...]], tracks: Sequence[Track]) -> dict[tuple[Vertex, Vertex], str]:
    """Return the edges of a graph and the kind of each: a "track" or a "parent" link."""
    edges = {
        ((frame, cell), (frame + 1, cell)): "track"
        for frame, cells in ids.items()
        for cell in set(cells).intersection(ids.get(frame + 1, ()))
    }
    ends = {track.label: track.end for track in tracks}
    children = [track for track in tracks if track.parent]
    return edges | {((ends[t.parent], t.parent), (t.begin, t.label)): "parent" for t in children}


def _match_frames(references: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> dict[int, FrameMatch]:
    return {frame: match_frame(*pair) for frame, pair in enumerate(zip(references, results, strict=True))}


class SEGMetric(CumulativeIterationMetric):
    """SEG over all reference objects of all images, as a MONAI metric.

    Call it with lists (or a batch) of instance maps (1, H, W), prediction first. ``aggregate`` returns the mean over
    the objects as a float, NaN before the first object; ``objects`` is their number.

    Examples
    --------
    >>> metric = SEGMetric()
    >>> _ = metric(torch.tensor([[[[5, 5, 5, 0]]]]), torch.tensor([[[[1, 1, 1, 1]]]]))
    >>> metric.aggregate(), metric.objects
    (0.75, 1)
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("SEG needs the truth as well as the prediction.")
        rows = []
        for result, truth in zip(y_pred, y, strict=True):
            scores = object_jaccards(convert_to_numpy(truth)[0], convert_to_numpy(result)[0])
            rows.append([scores.sum(), len(scores)])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return the mean Jaccard index over all reference objects so far."""
        total, count = self._sums()
        return total / count if count else float("nan")

    @property
    def objects(self) -> int:
        """Number of reference objects so far."""
        return int(self._sums()[1])

    def _sums(self) -> tuple[float, float]:
        """Return the sum and the number of the Jaccard indices so far."""
        buffer = self.get_buffer()
        return (0.0, 0.0) if buffer is None else tuple(buffer.sum(0).tolist())  # type: ignore[union-attr,return-value]


class BestThresholdSEGMetric(BestThresholdMetric):
    """SEG over all reference objects of all images, at the best of several thresholds."""

    @staticmethod
    def scores(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return what each reference object of one image contributes to SEG."""
        return object_jaccards(truth, cells)


class DETMetric(CumulativeIterationMetric):
    """DET over all images, as a MONAI metric.

    Call it with lists (or a batch) of instance maps (1, H, W), prediction first. The truth holds the markers of all
    cells, or their outlines. ``aggregate`` returns DET as a float, NaN before the first true cell.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("DET needs the truth as well as the prediction.")
        rows = []
        for result, truth in zip(y_pred, y, strict=True):
            errors = count_errors({0: match_frame(convert_to_numpy(truth)[0], convert_to_numpy(result)[0])})
            rows.append([errors.ns, errors.fn, errors.fp, errors.vertices])
        return torch.tensor(rows, dtype=torch.float64)

    def aggregate(self) -> float:
        """Return DET of all images so far."""
        buffer = self.get_buffer()
        if buffer is None:
            return float("nan")
        ns, fn, fp, vertices = map(int, buffer.sum(0).tolist())  # type: ignore[union-attr]
        return AOGMErrors(ns, fn, fp, 0, 0, 0, vertices, 0).det
