"""Mean and standard deviation of a whole page, from parts of it.

References
----------
T. Chan, G. Golub, R. LeVeque: Algorithms for computing the sample variance, The American Statistician 1983.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from unetpipe.errors import InputError
from unetpipe.io.images import check_rounding, image_name, rounding
from unetpipe.large.blocks import Block
from unetpipe.large.work import Work

PARTS, PAGE = "statistics", "normalisation"


class Moments(NamedTuple):
    """The number of some pixels and, for each channel, their mean and sum of squared deviations from it, float64."""

    pixels: int
    mean: np.ndarray
    squares: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each channel, divided by n as MONAI's NormalizeIntensity does."""
        return np.sqrt(self.squares / self.pixels)


def moments(pixels: np.ndarray) -> Moments:
    """Return the moments of (C, H, W)."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    mean = flat.mean(axis=1)
    return Moments(flat.shape[1], mean, ((flat - mean[:, None]) ** 2).sum(axis=1))


def merged(parts: Iterable[Moments]) -> Moments:
    """Return the moments of all pixels from those of parts; the order of the parts changes only the rounding."""
    parts = iter(parts)
    pixels, mean, squares = next(parts)
    for part in parts:
        total, difference = pixels + part.pixels, part.mean - mean
        squares = squares + part.squares + difference**2 * (pixels * part.pixels / total)
        mean = mean + difference * (part.pixels / total)
        pixels = total
    return Moments(pixels, mean, squares)


def measure(work: Work, block: Block) -> None:
    """Keep the moments of a block's pixels."""
    region = work.grid.region(block)
    pixels = work.image.read(block.page, region.rows, region.columns, work.image.dtype)
    part = moments(pixels)
    work.save(PARTS, block, count=part.pixels, mean=part.mean, squares=part.squares, rounding=rounding(pixels))


def gather(work: Work, page: int) -> None:
    """Keep mean and standard deviation of a page.

    Raises
    ------
    InputError
        If a channel has the same value everywhere, or values that float32 cannot tell apart.
    """
    kept = [work.load(PARTS, block) for block in work.grid.blocks(page)]
    most, lowest, highest = np.stack([part["rounding"] for part in kept], axis=1)
    name = image_name(work.image.path, page if work.image.pages > 1 else None)
    check_rounding(np.stack([most.max(axis=0), lowest.min(axis=0), highest.max(axis=0)]), name)
    whole = merged(Moments(int(part["count"]), part["mean"], part["squares"]) for part in kept)
    if (whole.deviation == 0).any():
        raise InputError(f"{work.image.path}, page {page}, has a constant channel; there is nothing to segment.")
    work.save(PAGE, page, mean=whole.mean, deviation=whole.deviation)


def normalised(work: Work, page: int, pixels: np.ndarray) -> np.ndarray:
    """Return pixels (C, H, W), float32, minus the page's mean and divided by its standard deviation."""
    if work.statistics is not None:
        mean, deviation = (np.asarray(values) for values in work.statistics)
    else:
        kept = work.table(PAGE, page)
        mean, deviation = kept["mean"], kept["deviation"]
    return (pixels - mean.astype(np.float32)[:, None, None]) / deviation.astype(np.float32)[:, None, None]
