"""Split a data set into frames to train on, frames to choose the thresholds on, and frames to score."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unetpipe.datasets import find_records, recognise, split_records, write_synthetic_ctc
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.report.page import published_name

SYNTHETIC = {
    "split": {"train_sequences": [*range(1, 13)], "val_sequences": [*range(13, 17)]},
    "scored": {"eval_sequences": [*range(17, 25)]},
}
# the frames of the project's results; every third of the scored ones, as neighbours are near-copies
DIC_HELA = {
    "split": {"train_frames": "0-27", "val_frames": "28-35"},
    "scored": {"eval_truth": "silver", "eval_frames": [*range(42, 84, 3)]},
}


class Dataset(NamedTuple):
    """A data set in three parts: trained on, chosen on, and scored.

    Attributes
    ----------
    name : str
    folder : Path
    split : dict
        Keys of ``train.json``: what trains, and what chooses the thresholds.
    scored : dict
        Keys of ``evaluate.json``: the frames that are scored, which take no part in training.
    has_silver : bool
        Whether gold truth covers some of the frames and silver truth others.
    """

    name: str
    folder: Path
    split: dict[str, Any]
    scored: dict[str, Any]
    has_silver: bool


def find_dataset(name: str, output: Path) -> Dataset:
    """Return the data set in a folder, or the synthetic one, which is written below ``output``.

    DIC-C2DH-HeLa is split as in the project's results. Any other set is split by time: of each sequence the
    first 60 % train, the next 20 % choose, the last 20 % are scored.

    Raises
    ------
    InputError
        If there is no such folder, or it holds no data set of a known layout.
    """
    if name == "synthetic":
        return Dataset(name, _synthetic(output / "data"), **SYNTHETIC, has_silver=False)
    folder = Path(name)
    records = find_records(folder)
    truths = {record.get("truth") for record in records}
    has_silver = recognise(folder) == "ctc" and truths == {"gold", "silver"}
    if published_name(folder) == "DIC-C2DH-HeLa":
        return Dataset(folder.resolve().name, folder, **DIC_HELA, has_silver=has_silver)
    split, scored = _by_time(records)
    return Dataset(folder.resolve().name, folder, split, scored, has_silver)


def split_gold(records: Sequence[Record], arguments: dict[str, Any]) -> dict[str, list[Record]]:
    """Return the split of :func:`unetpipe.datasets.split_records` with only the training records of gold truth.

    Raises
    ------
    InputError
        If there are none.
    """
    split = split_records(records, **arguments)
    gold = [record for record in split["train"] if record["truth"] == "gold"]
    if not gold:
        raise InputError("None of the training frames has gold truth.")
    return {**split, "train": gold}


def _synthetic(folder: Path) -> Path:
    if not folder.is_dir():
        check_folder(folder)
        unfinished = folder.with_name(f".{folder.name}-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_synthetic_ctc(unfinished, sequences=24, frames=2)
        unfinished.rename(folder)
    return folder


def _by_time(records: list[Record]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split by frame number, at the same numbers for all sequences."""
    frames = sorted({record["frame"] for record in records})
    if len(frames) < 5:
        raise InputError(f"An ablation needs frames of at least 5 numbers to split by time, not {len(frames)}.")
    first, second = round(0.6 * len(frames)), round(0.8 * len(frames))
    split = {"train_frames": frames[:first], "val_frames": frames[first:second]}
    return split, {"eval_truth": "gold+silver", "eval_frames": frames[second:]}  # whatever a row trains on
