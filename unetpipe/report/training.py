"""Training ends with a report on the validation frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from unetpipe.datasets import read_truth
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.io import read_image
from unetpipe.predictor import Predictor
from unetpipe.report.gallery import Gallery, ScoredFrame, frame_name
from unetpipe.report.page import NAME, write_report
from unetpipe.training.run import stop_program

CHOSEN_HERE = (
    "The best epoch and the thresholds were chosen on these frames, which makes the score look better than it is; use "
    "frames that took no part in the training for an honest score."
)
TRAINED_HERE = "These frames trained the network too, so the score tells only that it learned them."


def report_training(
    trainer: Engine,
    evaluator: Engine,
    records: Sequence[Record],
    output_dir: str | os.PathLike,
    data: str | os.PathLike,
    settings: Mapping[str, Any],
) -> None:
    """Segment the validation frames by the trained bundle, write ``report.html`` beside it, and print where.

    Parameters
    ----------
    trainer, evaluator : Engine
        Both have run. If no epoch was validated there is no trained bundle, and no report.
    records : sequence of dict
        The validation frames (:func:`unetpipe.datasets.find_records`).
    output_dir : path
        The trained bundle, with its event files in ``tensorboard``.
    data : path
        Folder of the data set.
    settings : mapping
        The configuration that is shown, with the settings that validation chose.

    Raises
    ------
    SystemExit, InputError
        As :func:`unetpipe.training.run_engine`, if the page cannot be written.
    """
    if evaluator.state.best_metric_epoch < 1:  # type: ignore[attr-defined]
        print("No report: training ended before its first validation.", flush=True)
        return
    bundle = Path(output_dir)
    try:
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
    except InputError as error:
        stop_program(error)
    print(f"Report: {bundle / NAME}", flush=True)


def _segmented(records: Sequence[Record], predictor: Predictor) -> Iterator[ScoredFrame]:
    for record in records:
        image = read_image(record["image"], record.get("page"))
        truth, known = read_truth(record)
        result = predictor(np.moveaxis(image, 0, -1), axes="yxc")
        name = frame_name(record["image"], record.get("page"))
        yield ScoredFrame(name, truth, np.asarray(result), image, known)
