"""Read the checkpoints of a training, and check that one belongs to a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from unetpipe.bundle.command_line import trains_for_monai_label
from unetpipe.errors import InputError
from unetpipe.networks.weights import UNREADABLE, load_tensors

CHECKPOINT, MODEL = Path("checkpoints", "last.pt"), Path("models", "model.pt")  # in the folder of a training


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, only tensors and plain values. InputError if it is not a checkpoint."""
    try:
        content = load_tensors(path)
    except UNREADABLE as error:
        raise InputError(
            f"{path} is not a checkpoint that can be loaded safely; remove it to start from the beginning."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("epoch"), int):
        raise InputError(f"{path} is not a checkpoint of a training; remove it to start from the beginning.")
    return content


def check_checkpoint(path: Path, network: nn.Module) -> None:
    """Raise InputError if a checkpoint exists but cannot be read or belongs to another network."""
    if path.is_file() and not _fits(read_checkpoint(path).get("network"), network):
        raise InputError(
            f"The checkpoint {path} belongs to a training of another network; give the same channels and norm as "
            "there, or another output_dir."
        )


def check_new(folder: Path) -> None:
    """Raise InputError if a folder holds a trained model, or the checkpoint of one epoch or more.

    A MONAI Label server may train there: it replaces the model that it serves.
    """
    if trains_for_monai_label():
        return
    checkpoint = folder / CHECKPOINT
    if (folder / MODEL).is_file() or (checkpoint.is_file() and read_checkpoint(checkpoint)["epoch"] > 0):
        raise InputError(
            f"{folder} holds a training already, which a new one would replace; continue that one by --resume (under "
            "python -m monai.bundle --resume True, from Python resume=True), or name another output folder."
        )


def check_resumed(folder: Path, network: nn.Module) -> None:
    """Raise InputError if what a folder holds cannot be continued: of another network, or without a checkpoint.

    An empty folder is right: training starts from the beginning.
    """
    checkpoint = folder / CHECKPOINT
    check_checkpoint(checkpoint, network)
    if (folder / MODEL).is_file() and not checkpoint.is_file():
        raise InputError(
            f"{folder} holds a trained model, but {CHECKPOINT} is missing, so its training cannot be continued; name "
            "another output folder, and begin there with its weights (unetpipe train --from)."
        )


def _fits(state: Any, network: nn.Module) -> bool:
    """Return whether a network can take a state."""
    own = network.state_dict()
    return (
        isinstance(state, dict)
        and state.keys() == own.keys()
        and all(isinstance(state[name], torch.Tensor) and state[name].shape == own[name].shape for name in own)
    )
