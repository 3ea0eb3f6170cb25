"""A trained network made ready to compute results: weights loaded, batch normalisation folded away."""

from __future__ import annotations

import copy
import os

from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from unetpipe.errors import InputError
from unetpipe.networks.weights import load_weights


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
