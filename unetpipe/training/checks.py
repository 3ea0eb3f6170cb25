"""Checks before any long work: a user's mistake is one sentence before the training, not an error during it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple_rep

from unetpipe.bundle.command_line import check_keys, trains_for_monai_label
from unetpipe.datasets import check_images, evaluation_records, find_images, find_records, split_records, survey
from unetpipe.datasets.layouts import check_outside_data
from unetpipe.datasets.records import Record
from unetpipe.datasets.split import FEWEST_CELLS
from unetpipe.datasets.survey import Survey
from unetpipe.errors import InputError
from unetpipe.files import check_apart, check_folder, writing
from unetpipe.networks import UNet, inference_network, load_weights
from unetpipe.training.checkpoints import CHECKPOINT, check_new, check_resumed
from unetpipe.training.distributed import rank

logger = logging.getLogger(__name__)


def check_training(
    dataset_dir: str,
    truth: str,
    split: dict[str, Any],
    network: UNet,
    tile: int,
    output_dir: str,
    resume: bool = False,
    masks: str = "auto",
    channel: int | None = None,
) -> dict[str, Survey]:
    """Check arguments, data, split, tile and output of a training; read every file that it will use.

    Where a MONAI Label server trains, it hands over the frames itself: data and split are not looked at.

    Parameters
    ----------
    dataset_dir, truth, masks, channel
        See :func:`unetpipe.datasets.find_records`.
    split : dict
        Arguments of :func:`unetpipe.datasets.split_records`.
    network : UNet
        For its channels and sizes.
    tile : int
        Side of the network's input in pixels.
    output_dir : path
        Where the trained bundle goes.
    resume : bool
        Whether the checkpoint there, if there is one, is taken up. Without this the folder must hold no training.

    Returns
    -------
    dict of str to Survey
        What the frames of "train" and "val" are like; empty where a MONAI Label server trains.

    Raises
    ------
    InputError
        If anything is wrong.
    """
    check_keys()
    check_folder(output_dir)
    with writing(output_dir) if rank() == 0 else nullcontext():  # first of all, whether another training writes there
        if resume:
            check_resumed(Path(output_dir), network)
        else:
            check_new(Path(output_dir))
    _check_tile(network, tile)
    if trains_for_monai_label():
        return {}
    records = find_records(dataset_dir, truth, masks, channel=channel)
    if not (resume and Path(output_dir, CHECKPOINT).is_file()):  # a training that is resumed may have its bundle there
        check_apart(output_dir, dict.fromkeys(_folders_of(dataset_dir, records), "data"), "trained bundle")
        if rank() == 0:  # another process would see how this one makes and removes the folder
            check_outside_data(output_dir, "trained bundle")
    parts = split_records(records, **split)
    found = {part: survey(parts[part], network.in_channels) for part in ("train", "val")}
    for part, name in (("train", "training"), ("val", "validation")):
        if not len(found[part].areas):
            raise InputError(f"The {name} part holds no cell: every one of its label maps is 0 throughout.")
        logger.info("%s: %d frames with %d cells.", name.capitalize(), len(found[part].frames), len(found[part].areas))
    whole = Survey([*found["train"].frames, *found["val"].frames])
    for warning in [*whole.warnings(), *split_warnings(found, records, split)]:
        logger.warning(warning)
    return found


def split_warnings(found: Mapping[str, Survey], records: Sequence[Record], split: Mapping[str, Any]) -> list[str]:
    """Say whether the validation part is too small, and what would be better.

    Parameters
    ----------
    found : mapping of str to Survey
        What "train" and "val" are like.
    records : sequence of Record
        The whole set.
    split : mapping
        The arguments of :func:`unetpipe.datasets.split_records` that gave both parts.
    """
    cells = len(found["val"].areas)
    if cells >= FEWEST_CELLS or split.get("hold_out") is False:
        return []
    frames = len(found["val"].frames)
    few = (
        f"Only {cells} cells in {frames} frame{'s' * (frames != 1)} validate; fewer than {FEWEST_CELLS} cannot tell "
        "which epoch and which thresholds are best."
    )
    if split.get("val_frames") is not None or split.get("val_sequences") is not None:
        try:
            own = split_records(records, split.get("train_sequences"), split.get("train_frames"))["val"]
            default = survey(own, complain=lambda _: None)
        except InputError:
            default = Survey([])
        if len(default.areas) >= FEWEST_CELLS:
            return [
                f"{few} Leave out val_frames and val_sequences: then {len(default.areas)} cells in "
                f"{len(default.frames)} frames validate, which are spread over the set ({frame_list(default)})."
            ]
    return [
        f"{few} Annotate more cells, in several frames; until then, hold_out=false trains on all frames and keeps the "
        "last model."
    ]


def frame_list(part: Survey) -> str:
    """Return the frames of a part by sequence: "01: 3, 7, 12; 02: 4"."""
    frames: dict[str, list[str]] = {}
    for frame in part.frames:
        frames.setdefault(frame.record["sequence"], []).append(str(frame.record["frame"]))
    listed = [
        f"{name}: {', '.join(numbers[:8])}{', …' if len(numbers) > 8 else ''}" for name, numbers in frames.items()
    ]
    return "; ".join(listed[:4]) + ("; …" if len(listed) > 4 else "")


def check_evaluation(
    dataset_dir: str,
    truth: str,
    split: dict[str, Any],
    evaluation: dict[str, Any],
    network: UNet,
    weights: str,
    output_dir: str,
    masks: str = "auto",
    channel: int | None = None,
    tile: int | None = None,
) -> None:
    """Check arguments, data, weights and output of an evaluation; raises as :func:`check_training`.

    Parameters
    ----------
    dataset_dir, truth, split, network, output_dir, masks, channel
        As in :func:`check_training`.
    tile : int, optional
        Not used: images are cut by the inferer. Bundles of earlier versions give it.
    evaluation : dict
        "truth", "sequences" and "frames" to evaluate (:func:`unetpipe.datasets.evaluation_records`).
    weights : path
        The weights file.
    """
    check_keys()
    check_folder(output_dir)
    validation = split_records(find_records(dataset_dir, truth, masks, channel=channel), **split)["val"]
    records = find_records(dataset_dir, evaluation["truth"], masks, channel=channel)
    chosen = evaluation_records(records, validation, evaluation["sequences"], evaluation["frames"])
    _check_apart(chosen, output_dir, _folders_of(dataset_dir, records))
    load_weights(network, weights)
    survey(chosen, network.in_channels)


def check_inference(
    dataset_dir: str,
    network: UNet,
    roi_size: int | Sequence[int] | None,
    weights: str,
    output_dir: str,
    channel: int | None = None,
) -> None:
    """Check arguments, images, weights, output and tile (None: automatic); raises as :func:`check_training`."""
    check_keys()
    check_folder(output_dir)
    images = find_images(dataset_dir, channel)
    _check_apart(images, output_dir, _folders_of(dataset_dir, images) if Path(dataset_dir).is_dir() else [])
    if roi_size is not None:
        _check_tile(network, roi_size, "roi_size")
    inference_network(network, weights)
    check_images(images, network.in_channels)


def _check_apart(records: Sequence[Record], output_dir: str, data: Sequence[Path]) -> None:
    """Raise InputError if masks of these records would lie in a folder of the data."""
    for folder in dict.fromkeys(Path(output_dir, record["mask_name"]).parent for record in records):
        check_apart(folder, dict.fromkeys(data, "images"), "masks")
        if rank() == 0:
            check_outside_data(folder, "masks")


def _folders_of(dataset_dir: str, records: Sequence[Record]) -> list[Path]:
    """Return the folder of a data set, and those of the images and labels."""
    files = [Path(record[key]) for record in records for key in ("image", "label") if key in record]  # type: ignore[literal-required]
    return list(dict.fromkeys([Path(dataset_dir), *(file if file.is_dir() else file.parent for file in files)]))


def _check_tile(network: UNet, tile: int | Sequence[int], key: str = "tile") -> None:
    try:
        network.check_size(*ensure_tuple_rep(tile, 2))
    except ValueError as error:
        raise InputError(f"{key}={tile}: {error}") from error
