"""The bundle's evaluation ends with a report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import convert_to_numpy

from unetpipe.report.evaluating import ReportScores
from unetpipe.report.gallery import Gallery, ScoredFrame, frame_name
from unetpipe.report.page import NAME, write_report
from unetpipe.training.distributed import gathered, rank


class ReportPage:
    """Collect the frames of an evaluation, write ``report.html`` at its end, and print where.

    Attach it to an evaluator whose items have "image" (C, H, W), "pred" and "label", instance maps (1, H, W), and
    "known", bool (1, H, W).

    Parameters
    ----------
    scores : ReportScores
        Scores the same evaluation; attached before this.
    output_dir : path
        Folder of the report.
    data : path
        Folder of the data set.
    settings : mapping
        The configuration that is shown.
    logs : path, optional
        Folder of the training's TensorBoard event files; where there is none no curves are shown.
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
        """Collect after each batch; write when the evaluator's run is complete."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forget an earlier run's frames."""
        self._gallery = Gallery()

    def collect(self, engine: Engine) -> None:
        """Judge the frames of a batch."""
        for batch, output in zip(engine.state.batch, engine.state.output, strict=True):  # type: ignore[call-overload]
            image, meta = convert_to_numpy(output["image"]), output["image"].meta
            truth, result, known = (
                convert_to_numpy(part)[0] for part in (output["label"], output["pred"], batch["known"])
            )
            name = frame_name(meta["filename_or_obj"], int(meta["page"]))
            self._gallery.add(ScoredFrame(name, truth, result, image, known))

    def write(self, engine: Engine) -> None:
        """Write the page; of several processes the first does, with the frames of all."""
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
