"""SEG, DET and TRA of arrays; DET and TRA count the corrections that a result's graph needs (AOGM).

A sequence of instance maps is a graph: each cell in each frame is a vertex; edges join the same
cell in consecutive frames (track links), and a parent's last frame with its child's first (parent
links). DET and TRA weigh what must be done to turn the result's graph into the reference's.

References
----------
P. Matula et al.: Cell tracking accuracy measurement based on comparison of acyclic oriented graphs
(AOGM), PLoS ONE 10 (2015) e0144959.
M. Maška et al.: A benchmark for comparison of cell tracking algorithms, Bioinformatics 30 (2014).
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
from unetpipe.metrics.matching import FrameMatch, match_frame
from unetpipe.metrics.seg import object_jaccards

# The challenge's weights of the corrections, by the effort they cost a person
WEIGHT_NS = 5.0  # split a vertex
WEIGHT_FN = 10.0  # add a vertex
WEIGHT_FP = 1.0  # delete a vertex
WEIGHT_ED = 1.0  # delete an edge
WEIGHT_EA = 1.5  # add an edge
WEIGHT_EC = 1.0  # change an edge from track link to parent link or back

Vertex = tuple[int, int]  # frame, id


@dataclass(frozen=True)
class AOGMErrors:
    """How many corrections of each kind the result's graph needs, and the size of the reference's.

    Attributes
    ----------
    ns, fn, fp : int
        Vertices to split, to add and to delete.
    ed, ea, ec : int
        Edges to delete, to add and to change; 0 without tracks.
    vertices, edges : int
        Of the reference.
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
        """1 − the cost of correcting the vertices over that of adding them all; NaN without reference."""
        return _normalised(self._vertex_cost, WEIGHT_FN * self.vertices)

    @property
    def tra(self) -> float:
        """1 − the cost of all corrections over that of building the whole graph; NaN without reference."""
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
    reference_tracks, result_tracks : sequence of Track, optional
        Both or none; without them there are no edges, and only DET has a meaning.
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


def seg_score(references: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """Return SEG of instance maps (H, W), frame by frame: the mean over all reference objects, NaN without any."""
    pairs = zip(references, results, strict=True)
    jaccards = [jaccard for reference, result in pairs for jaccard in object_jaccards(reference, result).tolist()]
    return float(np.mean(jaccards)) if jaccards else float("nan")


def det_score(references: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """Return DET of instance maps (H, W), frame by frame; NaN without any reference object."""
    return count_errors(_match_frames(references, results)).det


def tra_score(
    references: Sequence[np.ndarray],
    results: Sequence[np.ndarray],
    reference_tracks: Sequence[Track],
    result_tracks: Sequence[Track],
) -> float:
    """Return TRA of instance maps (H, W), from frame 0 on, with their tracks; NaN without any reference object.

    Raises
    ------
    InputError
        If tracks do not fit their maps.
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


class DETMetric(CumulativeIterationMetric):
    """DET over all images, as a MONAI metric.

    Call it with lists (or a batch) of instance maps (1, H, W), prediction first, then the markers of all
    cells or their outlines; ``aggregate`` returns DET as a float, NaN before the first true cell.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError("DET needs the truth beside the prediction.")
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
