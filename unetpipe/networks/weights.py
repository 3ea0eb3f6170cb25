"""Read and write a network's weights, and make a trained network ready to compute results."""

from __future__ import annotations

import copy
import os
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from unetpipe.errors import InputError
from unetpipe.files import replacing

# what torch.load raises for a damaged file, or one that holds more than tensors and plain values
UNREADABLE = (
    zipfile.BadZipFile,
    AttributeError,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    zlib.error,
)


def load_tensors(path: str | os.PathLike) -> Any:
    """Read tensors and plain values onto the CPU, from a file that cannot run code; one of UNREADABLE if damaged."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("it is compressed, as torch never saves")  # a few bytes may become gigabytes
            damaged = archive.testzip()  # torch does not compare the checksums
        if damaged is not None:
            raise ValueError(f"{damaged} is damaged")
    return torch.load(path, map_location="cpu", weights_only=True)


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read a state_dict onto the CPU, directly from a file or from its key "model".

    Only tensors are unpickled (``weights_only=True``), so the file cannot run code.

    Raises
    ------
    InputError
        If the file does not exist or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There are no weights at {path}; train first, or name the file by weights=….")
    try:
        content = load_tensors(path)
    except UNREADABLE as error:
        raise InputError(f"{path} holds no weights that can be loaded safely (a state_dict of tensors).") from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds no weights (a state_dict of tensors, bare or under the key 'model').")
    return state


def load_weights(network: nn.Module, path: str | os.PathLike) -> nn.Module:
    """Load weights (:func:`read_weights`) into the network and return it; half precision is converted to its dtype.

    Raises
    ------
    InputError
        If the file does not exist, holds no weights, those of another network, or weights that are not finite.
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
    check_finite(state, str(path))
    network.load_state_dict(state)
    return network


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Raise InputError if weights are NaN or infinite; ``name`` says in the sentence which weights they are."""
    wrong = next((key for key, value in state.items() if not torch.isfinite(value).all()), None)
    if wrong is not None:
        raise InputError(f"{name} holds weights that are NaN or infinite, such as {wrong}; train again.")


def half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state_dict whose floating-point weights are in half precision; :func:`load_weights` converts them."""
    return {name: value.half() if value.is_floating_point() else value for name, value in state.items()}


def save_state(state: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write a state_dict, or a mapping of several. The file appears under its name only when complete.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch raises this when a write fails
            raise OSError("writing failed; is the disk full?") from error


def trained_network(network: nn.Module, weights: str | os.PathLike) -> nn.Module:
    """Load the weights of a network that segments into it, and return it.

    Parameters
    ----------
    network : Module
        It receives the weights and otherwise stays the same.
    weights : path
        See :func:`load_weights`, also for further errors.

    Raises
    ------
    InputError
        If the network has one output channel, as an autoencoder has: its softmax is 1 everywhere.
    """
    if getattr(network, "out_channels", None) == 1:
        raise InputError(
            f"{weights} belongs to a network with one output channel, such as an autoencoder, which cannot tell cells "
            "from background; segmentation needs a network with two."
        )
    return load_weights(network, weights)


def inference_network(network: nn.Module, weights: str | os.PathLike) -> nn.Module:
    """Return :func:`trained_network` in evaluation mode and with folded batch normalisation."""
    return fold_batch_norm(trained_network(network, weights))


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether the network has a batch norm that is not folded."""
    return any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution before it, and return the network in evaluation mode.

    At inference a batch norm is a fixed scale and shift of each channel, so the result is the same up to rounding,
    and one pass over every feature map is saved.

    Parameters
    ----------
    network : Module
        It stays the same. Pairs of a convolution and a batch norm are folded in its ``Sequential`` parts. A network
        that is in evaluation mode and has no batch norm is returned itself, not a copy.
    """
    if not network.training and not has_batch_norm(network):
        return network
    folded = copy.deepcopy(network).eval()
    for part in folded.modules():
        if isinstance(part, nn.Sequential):
            for place, (layer, norm) in enumerate(zip(list(part), list(part)[1:], strict=False)):
                if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    part[place], part[place + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
    return folded
