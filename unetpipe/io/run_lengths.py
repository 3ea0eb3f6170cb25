"""The submission file of the Data Science Bowl 2018: a line a nucleus, its pixels as run lengths.

A run is the number of its first pixel and its length; pixels are numbered from 1 down the columns, left to right.
"""

from __future__ import annotations

import numpy as np

from unetpipe.errors import InputError


def encode_runs(mask: np.ndarray) -> str:
    """Return the runs of a mask (H, W), nonzero where set.

    Examples
    --------
    >>> encode_runs(np.array([[0, 1, 1], [1, 1, 0]]))
    '2 4'
    >>> encode_runs(np.array([[1, 0], [0, 1]]))
    '1 1 4 1'
    """
    column = np.pad((np.asarray(mask) != 0).ravel(order="F"), 1).astype(np.int8)
    change = np.flatnonzero(np.diff(column))
    starts, ends = change[::2], change[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def decode_runs(runs: str, shape: tuple[int, int]) -> np.ndarray:
    """Return the mask (H, W), bool, that runs describe; InputError if they leave the image or overlap."""
    flat = np.zeros(shape[0] * shape[1], bool)
    numbers = [int(number) for number in runs.split()]
    if len(numbers) % 2:
        raise InputError(f"Runs are pairs of start and length; {runs[:40]!r} has {len(numbers)} numbers.")
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        part = slice(start - 1, start - 1 + length)
        if start < 1 or length < 1 or part.stop > flat.size or flat[part].any():
            raise InputError(f"The run {start} {length} leaves an image of {shape} pixels or overlaps another.")
        flat[part] = True
    return flat.reshape(shape, order="F")


def encode_instances(labels: np.ndarray) -> list[str]:
    """Return the runs of each object of an instance map (H, W), in the order of their ids; no pixel is in two."""
    flat = labels.ravel(order="F")
    places = np.argsort(flat, kind="stable")
    ids, starts = np.unique(flat[places], return_index=True)
    objects = np.split(places, starts[1:])
    return [_runs_of(pixels) for number, pixels in zip(ids, objects, strict=True) if number > 0]


def _runs_of(pixels: np.ndarray) -> str:
    """Return the runs of ascending pixel numbers, counted from 0."""
    breaks = np.flatnonzero(np.diff(pixels) != 1) + 1
    return " ".join(f"{run[0] + 1} {len(run)}" for run in np.split(pixels, breaks))
