"""Score and report the runs of a bundle: its evaluation, and the validation frames of its training."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.utils import convert_to_numpy

from unetpipe.datasets import read_truth
from unetpipe.datasets.ctc import read_markers
from unetpipe.datasets.pixels import read_pixels
from unetpipe.datasets.records import Record
from unetpipe.files import check_folder
from unetpipe.metrics.isbi2012 import close_membranes, isbi2012_scores
from unetpipe.metrics.matching import match_frame
from unetpipe.metrics.pixels import BorderScore, border_scores, sum_borders
from unetpipe.metrics.summary import FrameScore, score_segmentation, summarise
from unetpipe.predictor import Predictor
from unetpipe.report.gallery import Gallery, ScoredFrame, frame_name
from unetpipe.report.page import NAME, write_report
from unetpipe.report.scores import print_borders, print_membranes, print_summary, write_scores
from unetpipe.training.distributed import gathered, rank

CHOSEN_HERE = (
    "The best epoch and the thresholds were chosen on these frames, so the scores are too high; for honest ones, use "
    "frames that had no part in the choice."
)
TRAINED_HERE = "The network was also trained on these frames, so the scores only show that it learned them."


class ReportScores:
    """Score the masks of an evaluator as ``unetpipe evaluate`` scores a result folder, with the same table and files.

    DET is computed for frames whose truth has markers. There is no TRA, because single frames have no tracks. Stacks
    of membranes (ISBI 2012) also get the measures of that challenge; before, the membranes between the cells that were
    found are closed in the probabilities. Cells that fill a field also get the measures of the borders between them.

    Parameters
    ----------
    output_dir : path
        Folder for scores.json, objects.csv and frames.csv, which are written when the evaluation is complete.
    layout : str
        Layout of the data set, as :func:`unetpipe.datasets.recognise` returns it.

    Attributes
    ----------
    scores : dict of str to float or None
        The measures by name, once the evaluation is complete.

    Notes
    -----
    The items of the evaluator need the keys "pred" (instance map), "label", "known", "sequence" and "frame", and for
    the layout "isbi2012" also "probability" (K, H, W), where class 0 is membrane.
    """

    def __init__(self, output_dir: str | os.PathLike, layout: str) -> None:
        self.output_dir = Path(output_dir)
        self.layout = layout
        self.scores: dict[str, float | None] = {}
        self._frames: list[FrameScore] = []
        self._membranes: list[tuple[np.ndarray, np.ndarray]] = []
        self._borders: list[dict[str, BorderScore]] = []

    def attach(self, engine: Engine) -> None:
        """Attach the handlers to the evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def start(self, engine: Engine) -> None:
        """Forget an earlier run, and check that the folder can be written."""
        check_folder(self.output_dir)
        self._frames, self._membranes, self._borders, self.scores = [], [], [], {}

    def add(self, engine: Engine) -> None:
        """Score the images of a batch."""
        for batch, output in zip(engine.state.batch, engine.state.output, strict=True):  # type: ignore[call-overload]
            label, result = (convert_to_numpy(output[key])[0] for key in ("label", "pred"))
            frame = int(batch["frame"])
            known = convert_to_numpy(batch["known"])[0]
            markers = read_markers(output["label"].meta["filename_or_obj"], result.shape)
            segmentation = score_segmentation(frame, label, result, known, markers)
            matched = None if markers is None else match_frame(markers, result)
            self._frames.append(FrameScore(str(batch["sequence"]), frame, segmentation, matched))
            if self.layout == "isbi2012":
                probability = 1 - convert_to_numpy(output["probability"])[0]
                self._membranes.append((label, close_membranes(probability, result)))
            if self.layout == "borders":
                self._borders.append(border_scores(label, result, known))

    def finish(self, engine: Engine) -> None:
        """Print the tables and write the files. Of several processes only the first does, for the frames of all."""
        self._frames, self._membranes = gathered(self._frames), gathered(self._membranes)
        if rank() > 0:
            return
        summary = summarise(self._frames)
        membranes = None
        if self._membranes:
            truth, probability = (np.stack(part) for part in zip(*self._membranes, strict=True))
            # a softmax in float32 may exceed 1 by a rounding error
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


class ReportPage:
    """Collect the frames of an evaluation, and write ``report.html`` at its end.

    Attach it to an evaluator whose items have the keys "image", (C, H, W), "pred" and "label", instance maps (1, H, W),
    and "known", bool (1, H, W).

    Parameters
    ----------
    scores : ReportScores
        Scores the same evaluation. Attach it first, because the page shows its scores.
    output_dir : path
        Folder of the report.
    data : path
        Folder of the data set.
    settings : mapping
        The configuration that is shown.
    logs : path, optional
        Folder of the TensorBoard event files of the training; without any, no curves are shown.
    """

    def __init__(
        self,
        scores: ReportScores,
        output_dir: str | os.PathLike,
        data: str | os.PathLike,
        settings: Mapping[str, Any],
        logs: str | os.PathLike | None = None,
    ) -> None:
        self.scores = scores
        self.path = Path(output_dir) / NAME
        self.data = data
        self.settings = settings
        self.logs = logs
        self._gallery = Gallery()

    def attach(self, engine: Engine) -> None:
        """Attach the handlers to the evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forget the frames of an earlier run."""
        self._gallery = Gallery()

    def collect(self, engine: Engine) -> None:
        """Find the mistakes in the frames of a batch."""
        for batch, output in zip(engine.state.batch, engine.state.output, strict=True):  # type: ignore[call-overload]
            image, meta = convert_to_numpy(output["image"]), output["image"].meta
            truth, result, known = (
                convert_to_numpy(part)[0] for part in (output["label"], output["pred"], batch["known"])
            )
            name = frame_name(meta["filename_or_obj"], int(meta["page"]))
            self._gallery.add(ScoredFrame(name, truth, result, image, known))

    def write(self, engine: Engine) -> None:
        """Write the page. Of several processes only the first does, with the frames of all."""
        own, *others = gathered([self._gallery])
        if rank() > 0:
            return
        for other in others:
            own.take_over(other)
        self._gallery = own
        write_report(
            self.path,
            self._gallery,
            f"Evaluation on {Path(self.data).resolve().name}",
            data=self.data,
            scores=self.scores.scores,
            settings=self.settings,
            logs=self.logs,
            seconds=engine.state.times[Events.COMPLETED.name],
        )
        print(f"Report: {self.path}", flush=True)


def report_training(
    trainer: Engine,
    evaluator: Engine,
    records: Sequence[Record],
    output_dir: str | os.PathLike,
    data: str | os.PathLike,
    settings: Mapping[str, Any],
) -> None:
    """Segment the validation frames with the trained bundle, write ``report.html`` into it, and print its path.

    Parameters
    ----------
    trainer, evaluator : Engine
        Engines that have run. If no epoch was validated, there is no trained bundle and no report.
    records : sequence of dict
        The validation frames (:func:`unetpipe.datasets.find_records`).
    output_dir : path
        The trained bundle, with TensorBoard event files in ``tensorboard``.
    data : path
        Folder of the data set.
    settings : mapping
        The configuration that is shown, with the settings that validation chose.

    Raises
    ------
    InputError
        If the page cannot be written.
    """
    if evaluator.state.best_metric_epoch < 1:  # type: ignore[attr-defined]
        print("No report: training ended before its first validation.", flush=True)
        return
    bundle = Path(output_dir)
    predictor = Predictor.load(bundle)
    write_report(
        bundle / NAME,
        Gallery(_segmented(records, predictor)),
        f"Training on {Path(data).resolve().name}: the best model on the validation frames",
        data=data,
        settings={**settings, **predictor.settings.thresholds},
        logs=bundle / "tensorboard",
        remark=CHOSEN_HERE if settings.get("hold_out", True) else TRAINED_HERE,
        seconds=trainer.state.times[Events.COMPLETED.name],
    )
    print(f"Report: {bundle / NAME}", flush=True)


def _segmented(records: Sequence[Record], predictor: Predictor) -> Iterator[ScoredFrame]:
    for record in records:
        image = read_pixels(record)
        truth, known = read_truth(record)
        result = predictor(image, axes="cyx")
        name = frame_name(record["image"], record.get("page"))
        yield ScoredFrame(name, truth, np.asarray(result), image, known)
