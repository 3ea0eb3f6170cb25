"""The test input of a package, the probabilities that belong to it, and both as a picture."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from unetpipe.datasets import write_synthetic_ctc
from unetpipe.errors import InputError
from unetpipe.io import read_image
from unetpipe.networks import UNet

LARGEST_SIDE = 572  # px; every test of the package computes it anew


def sample_image(network: UNet, path: str | os.PathLike | None = None) -> np.ndarray:
    """Return an image that the network takes as it is.

    Parameters
    ----------
    network : UNet
        For its channels and valid sizes.
    path : path, optional
        An image; its centre is cut out. By default synthetic touching cells, so that a package holds nobody's data.

    Returns
    -------
    ndarray
        (1, C, H, W), float32, grey values as in the file; of unequal sides where the image allows.

    Raises
    ------
    InputError
        If the image cannot be read, has other channels, or is too small.
    """
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            shape = (network.input_size(64), network.input_size(112))
            write_synthetic_ctc(folder, sequences=1, frames=1, shape=shape)
            image = np.repeat(read_image(Path(folder) / "01" / "t000.tif"), network.in_channels, axis=0)
    else:
        image = read_image(path)
        if image.shape[0] != network.in_channels:
            raise InputError(f"{path} has {image.shape[0]} channel(s), the network takes {network.in_channels}.")
    for axis in (1, 2):
        sizes = network.valid_sizes(min(image.shape[axis], LARGEST_SIDE))
        if not sizes:
            side = network.smallest_size
            raise InputError(f"{path} is {image.shape[1]}×{image.shape[2]} pixels; the network takes {side} or more.")
        first = (image.shape[axis] - sizes[-1]) // 2
        image = image.take(range(first, first + sizes[-1]), axis=axis)
    return image[None].astype(np.float32)


def probabilities(network: UNet, normalized: torch.Tensor) -> np.ndarray:
    """Return the class probabilities (1, K, H − 2·margin, W − 2·margin), float32, of a normalised image."""
    with torch.no_grad():
        return torch.softmax(network(normalized).float(), dim=1).numpy()


def picture(image: np.ndarray, probability: np.ndarray, margin: int) -> Image.Image:
    """Return the image's valid region beside the probability of "cell", as squares: twice as wide as high.

    Parameters
    ----------
    image : ndarray
        (1, C, H, W): its first channel is shown.
    probability : ndarray
        (1, K, H − 2·margin, W − 2·margin), 0 … 1; class 0 is background.
    margin : int
        Pixels that the network loses on each side.
    """
    height, width = probability.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    grey = image[0, 0, margin + top : margin + top + side, margin + left : margin + left + side]
    span = max(float(np.ptp(grey)), 1e-6)
    cell = 1 - probability[0, 0, top : top + side, left : left + side]
    both = np.concatenate([(grey - grey.min()) / span, cell], axis=1)
    shown = Image.fromarray((255 * both.clip(0, 1)).round().astype(np.uint8))
    factor = max(1, round(256 / side))
    return shown.resize((shown.width * factor, shown.height * factor), Image.Resampling.NEAREST)
