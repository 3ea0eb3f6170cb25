"""Read the checkpoints of a training, and check that one belongs to a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from unetpipe.errors import InputError
from unetpipe.networks import read_weights
from unetpipe.networks.weights import UNREADABLE, load_tensors


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


def check_replaced(folder: Path, network: nn.Module) -> None:
    """Raise InputError if a folder holds the trained bundle of another network; damaged weights are replaced."""
    path = folder / "models" / "model.pt"
    try:
        state = read_weights(path) if path.is_file() else None
    except InputError:
        return
    if state is not None and not _fits(state, network):
        raise InputError(f"{folder} holds the trained bundle of another network; name another output folder.")


def _fits(state: Any, network: nn.Module) -> bool:
    """Return whether a network can take a state."""
    own = network.state_dict()
    return (
        isinstance(state, dict)
        and state.keys() == own.keys()
        and all(isinstance(state[name], torch.Tensor) and state[name].shape == own[name].shape for name in own)
    )
