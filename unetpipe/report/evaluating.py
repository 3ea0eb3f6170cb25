"""The bundle's evaluation: every measure that the truth allows, printed and written when the evaluator is done."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events
from monai.utils import convert_to_numpy

from unetpipe.datasets.ctc import marker_file
from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.io.images import read_labels
from unetpipe.metrics.borders import BorderScore, border_scores, sum_borders
from unetpipe.metrics.frame import FrameScore, score_segmentation
from unetpipe.metrics.isbi2012 import close_membranes, isbi2012_scores
from unetpipe.metrics.matching import FrameMatch, match_frame
from unetpipe.metrics.summary import summarise
from unetpipe.report.scores import print_borders, print_membranes, print_summary, write_scores
from unetpipe.training.distributed import gathered, rank


class ReportScores:
    """Score the evaluator's masks as ``unetpipe evaluate`` scores a result folder: the same table, the same files.

    DET is computed where a frame's truth has markers beside it. Masks of single frames have no tracks, so there is
    no TRA. Stacks of membranes (ISBI 2012) get that challenge's measures too, of the probabilities with the
    membranes between the cells closed; cells that fill a field get those of the borders between them.

    Parameters
    ----------
    output_dir : path
        Gets scores.json, objects.csv and frames.csv when the evaluation is complete.
    layout : str
        The data set's, as :func:`unetpipe.datasets.recognise` tells it.

    Attributes
    ----------
    scores : dict of str to float or None
        The measures by name, once the evaluation is complete.

    Notes
    -----
    The evaluator's items need "pred" (instance map), "label", "known", "sequence" and "frame", and for "isbi2012"
    "probability" (K, H, W), class 0 membrane.
    """

    def __init__(self, output_dir: str | os.PathLike, layout: str) -> None:
        self.output_dir = Path(output_dir)
        self.layout = layout
        self.scores: dict[str, float | None] = {}
        self._frames: list[FrameScore] = []
        self._membranes: list[tuple[np.ndarray, np.ndarray]] = []
        self._borders: list[dict[str, BorderScore]] = []

    def attach(self, engine: Engine) -> None:
        """Take part in the evaluator's run."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def start(self, engine: Engine) -> None:
        """Forget an earlier run."""
        check_folder(self.output_dir)
        self._frames, self._membranes, self._borders, self.scores = [], [], [], {}

    def add(self, engine: Engine) -> None:
        """Score the images of a batch."""
        for batch, output in zip(engine.state.batch, engine.state.output, strict=True):  # type: ignore[call-overload]
            label, result = (convert_to_numpy(output[key])[0] for key in ("label", "pred"))
            frame = int(batch["frame"])
            known = convert_to_numpy(batch["known"])[0]
            segmentation = score_segmentation(frame, label, result, known)
            markers = _match_markers(output["label"].meta["filename_or_obj"], result)
            self._frames.append(FrameScore(str(batch["sequence"]), frame, segmentation, markers))
            if self.layout == "isbi2012":
                probability = 1 - convert_to_numpy(output["probability"])[0]
                self._membranes.append((label, close_membranes(probability, result)))
            if self.layout == "borders":
                self._borders.append(border_scores(label, result, known))

    def finish(self, engine: Engine) -> None:
        """Print the tables and write the files; of several processes the first does, with the frames of all."""
        self._frames, self._membranes = gathered(self._frames), gathered(self._membranes)
        if rank() > 0:
            return
        summary = summarise(self._frames)
        membranes = None
        if self._membranes:
            truth, probability = (np.stack(part) for part in zip(*self._membranes, strict=True))
            # float32 softmax may stray beyond 1 by a rounding
            membranes = isbi2012_scores(truth, probability.clip(0, 1))
            print_membranes(membranes)
            self.scores = {name: score.best for name, score in membranes.items()}
        print_summary(summary)
        self.scores |= summary.scores()
        borders = sum_borders(self._borders)
        if borders:
            print_borders(borders)
            self.scores |= {name: score.dice for name, score in borders.items()}
        write_scores(self.output_dir, self._frames, summary, membranes, borders)
        print(f"Tables: {self.output_dir}", flush=True)


def _match_markers(label: str, result: np.ndarray) -> FrameMatch | None:
    path = marker_file(label)
    if path is None:
        return None
    markers = read_labels(path)
    if markers.shape != result.shape:
        raise InputError(f"{path} is {markers.shape} pixels, its image is {result.shape}; they must be alike.")
    return match_frame(markers, result)
