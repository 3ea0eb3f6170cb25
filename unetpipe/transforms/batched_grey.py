"""Grey values of a batch of tiles: shading, gain, gamma, blur, noise, rounding, each drawn for each sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unetpipe.transforms.batched import SEEDS, RandBatch, per_sample, seeded_noise, to_device
from unetpipe.transforms.elastic import interpolation_matrix


class RandBatchShading(RandBatch):
    """Add a smooth random field: a coarse grid of −1 and 1, interpolated bicubically.

    Parameters
    ----------
    amplitude : float
        The field is multiplied by a uniform number up to this; 1 is a standard deviation of a normalised image.
    prob : float
        Share of the samples that get a field.
    nodes : (int, int)
        Fewest and most nodes along each side of the grid, from 2.
    """

    def __init__(self, amplitude: float = 0.6, prob: float = 0.7, nodes: tuple[int, int] = (2, 4)) -> None:
        self.amplitude = amplitude
        self.prob = prob
        self.nodes = nodes

    def draw(self) -> list[float]:
        """Draw amplitude, number of nodes, signs at the nodes."""
        amplitude = self.amplitude * self.R.random_sample() * (self.R.random_sample() < self.prob)
        nodes = self.R.randint(self.nodes[0], self.nodes[1] + 1)
        return [amplitude, nodes, *(2 * self.R.randint(0, 2, self.nodes[1] ** 2) - 1)]

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Add the fields, the same one to all channels."""
        chosen = np.flatnonzero(self.rows[:, 0])  # known without asking the device
        return replaced(images, chosen, self._add, drawn) if len(chosen) else images

    def _add(self, images: Tensor, drawn: Tensor) -> Tensor:
        most, device = self.nodes[1], images.device
        grid = per_sample(drawn[:, 0])[:, 0] * drawn[:, 2:].reshape(-1, most, most)
        kind = drawn[:, 1].long() - self.nodes[0]
        rows, columns = (_interpolations(*self.nodes, side, device)[kind] for side in images.shape[-2:])
        return images + (rows @ grid @ columns.mT)[:, None]


@lru_cache(maxsize=16)
def _interpolations(fewest: int, most: int, side: int, device: torch.device) -> Tensor:
    """Return the interpolation of fewest … most nodes to a side, (kinds, side, most); what is not used is 0."""
    counts = range(fewest, most + 1)
    return torch.stack([F.pad(interpolation_matrix(count, side, device), (0, most - count)) for count in counts])


class RandBatchGreyValues(RandBatch):
    """Change gamma, gain and offset.

    Parameters
    ----------
    gain, gain_prob : float
        Values are multiplied by 1 ± a uniform number up to ``gain``, in this share of the samples.
    offset, offset_prob : float
        A uniform number in ± ``offset`` is added, in this share of the samples.
    channel : float
        Gain and offset of each channel also vary by this much, for colour.
    gamma : (float, float)
        The range between a tile's least and greatest value is bent by an exponent from this range.
    gamma_prob : float
        Share of the samples whose gamma changes.
    log_gamma : bool
        Whether the logarithm of the exponent is uniform; else the exponent is.
    channels : int
        Channels of the images.
    """

    def __init__(
        self,
        gain: float = 0.4,
        offset: float = 0.5,
        channel: float = 0.0,
        gamma: tuple[float, float] = (0.6, 1.6),
        gamma_prob: float = 0.5,
        channels: int = 1,
        gain_prob: float = 1.0,
        offset_prob: float = 1.0,
        log_gamma: bool = True,
    ) -> None:
        self.gain = gain
        self.gain_prob = gain_prob
        self.offset_prob = offset_prob
        self.log_gamma = log_gamma
        self.offset = offset
        self.channel = channel
        self.gamma = gamma
        self.gamma_prob = gamma_prob
        self.channels = channels

    def draw(self) -> list[float]:
        """Draw the exponent, then gain and offset of each channel."""
        low, high = np.log(self.gamma) if self.log_gamma else self.gamma
        exponent = self.R.uniform(low, high)
        exponent = (exponent if self.log_gamma else np.log(exponent)) * (self.R.random_sample() < self.gamma_prob)
        gain = 1 + self.R.uniform(-self.gain, self.gain) * (self.R.random_sample() < self.gain_prob)
        offset = self.R.uniform(-self.offset, self.offset) * (self.R.random_sample() < self.offset_prob)
        own = self.R.uniform(-self.channel, self.channel, (2, self.channels))
        return [exponent, *(gain + own[0]), *(offset + own[1])]

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Bend, multiply, add."""
        chosen = np.flatnonzero(self.rows[:, 0])  # known without asking the device
        if len(chosen):
            images = replaced(images, chosen, lambda some, rows: self._bend(some, rows[:, 0]), drawn)
        gain, offset = drawn[:, 1:].reshape(-1, 2, self.channels, 1, 1).unbind(1)
        return images * gain + offset

    @staticmethod
    def _bend(images: Tensor, exponent: Tensor) -> Tensor:
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        span = (high - low).clamp(min=1e-6)
        return ((images - low) / span).clamp(min=0) ** per_sample(exponent.exp()) * span + low


class RandBatchBlur(RandBatch):
    """Blur by a Gaussian, or sharpen by what a Gaussian takes away.

    Parameters
    ----------
    sigma : (float, float)
        Standard deviation of the Gaussian in pixels, drawn uniformly.
    prob : float
        Share of the samples that are blurred.
    sharpen : float
        Sharpened samples get a uniform share up to this of what the Gaussian takes away.
    sharpen_prob : float
        Share of the samples that are sharpened.
    isotropic : bool
        Whether rows and columns have one deviation; else each draws its own.
    """

    def __init__(
        self,
        sigma: tuple[float, float] = (0.3, 2.0),
        prob: float = 0.3,
        sharpen: float = 1.0,
        sharpen_prob: float = 0.1,
        isotropic: bool = True,
    ) -> None:
        self.isotropic = isotropic
        self.sigma = sigma
        self.prob = prob
        self.sharpen = sharpen
        self.sharpen_prob = sharpen_prob
        self.reach = max(1, round(3 * sigma[1]))

    def draw(self) -> list[float]:
        """Draw the deviation, the share of the blurred image in the result (below 0 sharpens), and that of columns."""
        sigma, chance, strength = self.R.uniform(*self.sigma), self.R.random_sample(), self.R.random_sample()
        other = sigma if self.isotropic else self.R.uniform(*self.sigma)
        if chance < self.prob:
            return [sigma, 1.0, other]
        return [sigma, -self.sharpen * strength if chance < self.prob + self.sharpen_prob else 0.0, other]

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Convolve the samples that are blurred or sharpened."""
        chosen = np.flatnonzero(self.rows[:, 1])  # known without asking the device
        return replaced(images, chosen, self._blur, drawn) if len(chosen) else images

    def _blur(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Convolve rows, then columns, mirroring at the border."""
        count, channels, height, width = images.shape
        offset = torch.arange(-self.reach, self.reach + 1, device=images.device)
        # of rows and of columns; a slice, because a list of numbers would be copied to the device, which waits
        kernels = torch.exp(-(offset**2) / (2 * drawn[:, ::2, None] ** 2))
        kernels = (kernels / kernels.sum(-1, keepdim=True)).repeat_interleave(channels, 0)
        down, along = kernels[:, :1, :, None], kernels[:, 1:, None, :]
        flat = F.pad(images.reshape(1, count * channels, height, width), (self.reach,) * 4, mode="reflect")
        blurred = F.conv2d(F.conv2d(flat, down, groups=len(down)), along, groups=len(along))
        return torch.lerp(images, blurred.reshape(images.shape), per_sample(drawn[:, 1]))


class RandBatchNoise(RandBatch):
    """Add Gaussian noise.

    Parameters
    ----------
    std : float
        The noise's standard deviation is uniform up to this.
    prob : float
        Share of the samples that get noise.
    """

    def __init__(self, std: float = 0.5, prob: float = 0.6) -> None:
        self.std = std
        self.prob = prob

    def draw(self) -> list[float]:
        """Draw the deviation and a seed."""
        std = self.std * self.R.random_sample() * (self.R.random_sample() < self.prob)
        return [std, self.R.randint(SEEDS)]

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Add the noise, other noise in each channel."""
        chosen = np.flatnonzero(self.rows[:, 0])  # known without asking the device
        return replaced(images, chosen, self._add, drawn) if len(chosen) else images

    def _add(self, images: Tensor, drawn: Tensor) -> Tensor:
        seeds = self.rows[self.rows[:, 0] != 0, 1]
        return images + per_sample(drawn[:, 0]) * seeded_noise(images, seeds.astype(int).tolist())


class RandBatchRounding(RandBatch):
    """Round to multiples of a step, as a camera of few grey levels does.

    Parameters
    ----------
    step : float
        The step is uniform up to this; 1 is a standard deviation of a normalised image.
    prob : float
        Share of the samples that are rounded.
    """

    def __init__(self, step: float = 0.2, prob: float = 0.3) -> None:
        self.step = step
        self.prob = prob

    def draw(self) -> list[float]:
        """Draw the step; 0 rounds nothing."""
        return [self.step * self.R.random_sample() * (self.R.random_sample() < self.prob)]

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Round."""
        step = per_sample(drawn[:, 0])
        return torch.where(step > 0, torch.round(images / step.clamp(min=1e-6)) * step, images)


class RandBatchGrey(RandBatch):
    """Replace all channels of some samples by their mean.

    Parameters
    ----------
    prob : float
        Share of the samples.
    """

    def __init__(self, prob: float = 0.2) -> None:
        self.prob = prob

    def draw(self) -> Sequence[float]:
        """Draw whether."""
        return [float(self.R.random_sample() < self.prob)]

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Mix."""
        return torch.lerp(images, images.mean(1, keepdim=True).expand_as(images), per_sample(drawn[:, 0]))


def replaced(images: Tensor, chosen: np.ndarray, change: Callable[[Tensor, Tensor], Tensor], drawn: Tensor) -> Tensor:
    """Return images (B, C, H, W) of which the chosen ones (n,) are changed, by their part of the numbers (B, k)."""
    if len(chosen) == len(images):
        return change(images, drawn)
    place = to_device(chosen, images.device)
    return images.index_copy(0, place, change(images.index_select(0, place), drawn.index_select(0, place)))
