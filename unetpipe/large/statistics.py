"""What a whole page is normalised by, from parts of it: mean, standard deviation, and the third moment's sign.

References
----------
T. Chan, G. Golub, R. LeVeque: Algorithms for computing the sample variance, The American Statistician 1983.
P. Pébay: Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments,
Sandia Report SAND2008-6212, 2008.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from unetpipe.errors import InputError
from unetpipe.io.images import check_rounding, image_name, rounding
from unetpipe.large.blocks import Block
from unetpipe.large.images import ImageError
from unetpipe.large.work import Statistics, Work
from unetpipe.transforms import NormalizeBrightd

PARTS, PAGE = "statistics", "normalisation"


class Products(NamedTuple):
    """Sums over some pixels of products of deviations: of ``two`` channels, (C, C), and of ``three``, (C, C, C)."""

    two: np.ndarray
    three: np.ndarray

    def shifted(self, pixels: int, shift: np.ndarray) -> Products:
        """Return the sums for deviations from another centre, which all are larger by ``shift`` (C,).

        The deviations of so many ``pixels`` must be from their mean.
        """
        square = np.multiply.outer(shift, shift)
        crossed = np.multiply.outer(shift, self.two)  # each of the three factors may be the shift
        three = self.three + crossed + crossed.transpose(1, 0, 2) + crossed.transpose(1, 2, 0)
        return Products(self.two + pixels * square, three + pixels * np.multiply.outer(square, shift))


class Moments(NamedTuple):
    """The number of some pixels and, for each channel, their mean and sum of squared deviations from it, float64.

    ``products`` are what the third moment needs; None if nobody asks for it.
    """

    pixels: int
    mean: np.ndarray
    squares: np.ndarray
    products: Products | None = None

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each channel, divided by n as MONAI's NormalizeIntensity does."""
        return np.sqrt(self.squares / self.pixels)


def moments(pixels: np.ndarray, third: bool = False) -> Moments:
    """Return the moments of (C, H, W), with ``products`` if ``third``."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    mean = flat.mean(axis=1)
    flat -= mean[:, None]
    products = None
    if third:
        products = Products(flat @ flat.T, np.stack([(channel * flat) @ flat.T for channel in flat]))
    return Moments(flat.shape[1], mean, (flat**2).sum(axis=1), products)


def merged(parts: Iterable[Moments]) -> Moments:
    """Return the moments of all pixels from those of parts; the order of the parts changes only the rounding."""
    return functools.reduce(_joined, parts)


def _joined(one: Moments, other: Moments) -> Moments:
    """Return the moments of the pixels of two parts."""
    total, difference = one.pixels + other.pixels, other.mean - one.mean
    share = other.pixels / total
    squares = one.squares + other.squares + difference**2 * (one.pixels * share)
    products = None
    if one.products is not None and other.products is not None:
        left = one.products.shifted(one.pixels, -difference * share)
        right = other.products.shifted(other.pixels, difference * (1 - share))
        products = Products(left.two + right.two, left.three + right.three)
    return Moments(total, one.mean + difference * share, squares, products)


def third_moment(whole: Moments) -> float:
    """Return the third central moment of the mean over the channels, each divided by its standard deviation."""
    assert whole.products is not None, "moments(…, third=True) keeps what it needs"
    weights = 1 / (len(whole.mean) * whole.deviation)
    return float(whole.products.three @ weights @ weights @ weights) / whole.pixels


def as_statistics(given: Sequence[Any], channels: int, bright: bool) -> Statistics:
    """Return what a user gave to normalise by.

    Parameters
    ----------
    given : (sequence of float, sequence of float) or (sequence of float, sequence of float, int)
        Mean and standard deviation of each channel, and the sign if ``bright``.
    channels : int
        Number of channels of the image.
    bright : bool
        Whether the model is normalised by NormalizeBrightd.

    Raises
    ------
    InputError
        If a number is missing, too many or impossible.

    Examples
    --------
    >>> as_statistics(([120], [7.5], -1), channels=1, bright=True)
    Statistics(mean=(120.0,), deviation=(7.5,), sign=-1)
    """
    try:
        mean, deviation, *rest = given
        values = np.array([mean, deviation], np.float64)
        fits = values.shape == (2, channels) and np.isfinite(values).all() and (values[1] > 0).all()
        fits = fits and len(rest) == bright and all(sign in (1, -1) for sign in rest)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        sign = ", and a sign: -1 for dark objects on a bright ground, else 1" if bright else ""
        raise InputError(
            f"statistics={given!r} cannot be used; this model needs (mean, deviation{', sign' if bright else ''}): one "
            f"mean and one standard deviation above 0 for each of {channels} channel(s){sign}."
        )
    return Statistics(tuple(values[0].tolist()), tuple(values[1].tolist()), *(int(sign) for sign in rest))


def measure(work: Work, block: Block) -> None:
    """Keep the moments of a block's pixels."""
    region = work.grid.region(block)
    pixels = work.image.read(block.page, region.rows, region.columns, work.image.dtype)
    part = moments(pixels, third=work.bright)
    third = {} if part.products is None else part.products._asdict()
    work.save(PARTS, block, count=part.pixels, mean=part.mean, squares=part.squares, rounding=rounding(pixels), **third)


def gather(work: Work, page: int) -> None:
    """Keep mean and standard deviation of a page, and its sign for NormalizeBrightd.

    Raises
    ------
    ImageError
        If a channel has the same value everywhere, or values that float32 cannot tell apart.
    """
    kept = [work.load(PARTS, block) for block in work.grid.blocks(page)]
    most, lowest, highest = np.stack([part["rounding"] for part in kept], axis=1)
    name = image_name(work.image.path, page if work.image.pages > 1 else None)
    try:
        check_rounding(np.stack([most.max(axis=0), lowest.min(axis=0), highest.max(axis=0)]), name)
    except InputError as error:
        raise ImageError(str(error)) from error
    whole = merged(
        Moments(
            int(part["count"]),
            part["mean"],
            part["squares"],
            Products(part["two"], part["three"]) if work.bright else None,
        )
        for part in kept
    )
    if (whole.deviation == 0).any():
        raise ImageError(f"{work.image.path}, page {page}, has a constant channel; there is nothing to segment.")
    sign = {"sign": -1 if third_moment(whole) < 0 else 1} if work.bright else {}
    work.save(PAGE, page, mean=whole.mean, deviation=whole.deviation, **sign)


def normalised(work: Work, page: int, pixels: np.ndarray) -> np.ndarray:
    """Return pixels (C, H, W), float32, as the model's transform normalises them in an image that is the page."""
    kept = work.table(PAGE, page) if work.statistics is None else work.statistics._asdict()
    mean, deviation = (np.asarray(kept[name], np.float32)[:, None, None] for name in ("mean", "deviation"))
    values = (pixels - mean) / deviation
    return NormalizeBrightd.compressed(torch.from_numpy(values), int(kept["sign"])).numpy() if work.bright else values
