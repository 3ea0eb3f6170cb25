"""The pixels of an image as a network takes them: one channel of several, grey as colours, colours that are grey."""

from __future__ import annotations

import os

import numpy as np

from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.io.images import check_rounding, read_image, rounding


def read_pixels(record: Record) -> np.ndarray:
    """Read the image of a record as (C, H, W), or (1, H, W) if one channel is meant, in the file's own dtype.

    Raises
    ------
    InputError
        If the image cannot be read, or has no such channel.
    """
    image = read_image(record["image"], record.get("page"))
    channel = record.get("channel")
    if channel is None:
        return image
    if not 0 <= channel < len(image):
        raise InputError(no_channel(record["image"], len(image), channel))
    return image[channel : channel + 1]


def no_channel(path: str | os.PathLike, channels: int, channel: int) -> str:
    """Return the sentence that an image has no such channel."""
    return f"{path} has {channels} channel(s), counted from 0; it has no channel {channel}."


def read_for_network(record: Record, channels: int | None = None) -> np.ndarray:
    """Read an image (C, H, W) as a network takes it (:func:`fit_channels`).

    Parameters
    ----------
    record : Record
        The image, its page and its channel.
    channels : int, optional
        Number of channels that the network takes.

    Raises
    ------
    InputError
        If the image cannot be read, has another number of channels, or grey values that float32 cannot tell apart.
    """
    return fit_for_network(read_pixels(record), channels, record["image"])


def fit_for_network(image: np.ndarray, channels: int | None, path: str | os.PathLike) -> np.ndarray:
    """Return an image (C, H, W), read from a path, as :func:`read_for_network` does."""
    fitted = fit_channels(image, channels)
    if channels is not None and len(fitted) != channels:
        raise InputError(wrong_channels(path, len(fitted), channels))
    check_rounding(rounding(fitted), str(path))
    return fitted


def wrong_channels(path: str | os.PathLike, channels: int, taken: int) -> str:
    """Return the sentence that an image has another number of channels than the network takes, and what helps."""
    choose = "choose one of them by --channel, counted from 0, or " if taken == 1 else ""
    return (
        f"{path} has {channels} channel(s), the network takes {taken}; {choose}"
        f"train a network with in_channels={channels}."
    )


def fit_channels(image: np.ndarray, channels: int | None) -> np.ndarray:
    """Return images (…, C, H, W) with the channels that a network takes, where they mean the same.

    A grey image gets three equal channels; of three equal channels one is taken. Other images do not change.

    Examples
    --------
    >>> grey = np.eye(2)[None]
    >>> fit_channels(grey, 3).shape, fit_channels(np.concatenate([grey] * 3), 1).shape
    ((3, 2, 2), (1, 2, 2))
    """
    count = image.shape[-3]
    if channels == 3 and count == 1:
        return np.broadcast_to(image, (*image.shape[:-3], 3, *image.shape[-2:]))
    if channels == 1 and count == 3 and is_grey(image):
        return image[..., :1, :, :]
    return image


def is_grey(image: np.ndarray) -> bool:
    """Return whether all channels of images (…, C, H, W) are equal."""
    return bool((image == image[..., :1, :, :]).all())
