"""Reading and writing a network's weights."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unetpipe.errors import InputError
from unetpipe.files import replacing


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read a state_dict, bare or under "model", onto the CPU; only tensors are unpickled (``weights_only=True``).

    Raises
    ------
    InputError
        If there is no such file, or it holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There are no weights at {path}; train first, or name the file by weights=….")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} holds no weights that can be loaded safely (a state_dict of tensors).") from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds no weights (a state_dict of tensors, bare or under the key 'model').")
    return state


def load_weights(network: nn.Module, path: str | os.PathLike) -> nn.Module:
    """Load weights (:func:`read_weights`) into the network and return it; half precision is widened.

    Raises
    ------
    InputError
        If there is no such file, it holds no weights, or weights of another network.
    """
    state, own = read_weights(path), network.state_dict()
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or unknown:
        raise InputError(
            f"{path} holds weights of another network ({len(missing)} missing, {len(unknown)} unknown, such as "
            f"{(missing + unknown)[0]}); set channels, norm and the like as in its training."
        )
    for name, value in own.items():
        if value.shape != state[name].shape:
            raise InputError(
                f"{path} holds weights of another size: {name} is {tuple(state[name].shape)}, this network's is "
                f"{tuple(value.shape)}; set channels, in_channels and out_channels as in its training."
            )
    network.load_state_dict(state)
    return network


def save_state(state: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write a state_dict, or a mapping of several; the file appears under its name only when complete.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # what torch makes of a write that failed
            raise OSError("writing failed; is the disk full?") from error
