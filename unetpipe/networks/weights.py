"""Read and write a network's weights, and make a trained network ready to compute results."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

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


def inference_network(network: nn.Module, weights: str | os.PathLike) -> nn.Module:
    """Return a network with its trained weights, in evaluation mode, its batch normalisation folded.

    Parameters
    ----------
    network : Module
        Takes the weights; it stays as it is otherwise.
    weights : path
        See :func:`unetpipe.networks.load_weights`, also for the errors.

    Raises
    ------
    InputError
        If the network has one output channel, as an autoencoder: softmax would make it 1 everywhere.
    """
    if getattr(network, "out_channels", None) == 1:
        raise InputError(
            f"{weights} are of a network with one output channel, such as an autoencoder, which tells no cell from "
            "background; segmentation takes a network of two."
        )
    return fold_batch_norm(load_weights(network, weights))


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return a network in evaluation mode whose convolutions do the work of the batch norms that follow them.

    At inference a batch norm is a fixed scale and shift of each channel, so the result is the same to
    float rounding, and one pass over every feature map is saved.

    Parameters
    ----------
    network : Module
        Pairs of a convolution and its batch norm are looked for in its ``Sequential`` parts. It stays as it is;
        one in evaluation mode without batch norm is returned itself.
    """
    if not network.training and not any(isinstance(part, nn.BatchNorm2d) for part in network.modules()):
        return network
    folded = copy.deepcopy(network).eval()
    for part in folded.modules():
        if isinstance(part, nn.Sequential):
            for place, (layer, norm) in enumerate(zip(list(part), list(part)[1:], strict=False)):
                if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    part[place], part[place + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
    return folded
