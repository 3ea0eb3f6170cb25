"""Read the checkpoints of a training, and check that one belongs to a network."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unetpipe.errors import InputError


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, only tensors and plain values. InputError if it is not a checkpoint."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is not a checkpoint that can be loaded safely; remove it to start from the beginning."
        ) from error
    if not isinstance(content, dict) or "epoch" not in content:
        raise InputError(f"{path} is not a checkpoint of a training; remove it to start from the beginning.")
    return content


def check_checkpoint(path: Path, network: nn.Module) -> None:
    """Raise InputError if a checkpoint exists but cannot be read or belongs to another network."""
    if not path.is_file():
        return
    saved = read_checkpoint(path).get("network", {})
    own = network.state_dict()
    if saved.keys() != own.keys() or any(saved[name].shape != own[name].shape for name in own):
        raise InputError(
            f"The checkpoint {path} belongs to a training of another network; give the same channels and norm as "
            "there, or another output_dir."
        )
