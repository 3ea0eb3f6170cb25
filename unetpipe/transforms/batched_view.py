"""Other fields of view: ground added to a tile, and the tile normalised by what such an image would show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, NormalizeIntensityd, Randomizable
from torch import Tensor

from unetpipe.transforms.batched import SEEDS, centre, per_sample, plain_tensor, seeded_noise, to_device
from unetpipe.transforms.normalize_bright import NormalizeBrightd

THINNING = 4  # every fourth pixel each way is enough for a median
SMALLEST_DEVIATION = 1e-3


class RandBatchFieldOfViewd(Randomizable, MapTransform):
    """Show a batch of tiles as parts of other images: normalised again, some with flat ground next to the cells.

    The mean and deviation that normalise an image depend on how much of it is ground. Here some tiles are normalised by
    the mean and deviation of an image of which a share is the tile and the rest flat ground. At a share of 0.2 the
    values are stretched by up to 2.2. In some tiles flat ground is added for real: it is background, and known.
    Only normalisations to mean 0 and deviation 1 are repeated so; after another one, ground is added at most.

    Parameters
    ----------
    keys : (str, str, str)
        Image (B, C, H, W), label (B, 1, h, w) and weight (B, 1, h, w), or one of each without B. Label and weight may
        be only of the centre.
    prob : float
        Share of the tiles that are normalised again.
    share : (float, float)
        Share of such an image that is the tile, drawn uniformly; 1 is only the tile.
    ground_prob : float
        Share of the tiles that get ground along one side, or two; they are normalised again.
    noise : float
        Half of the grounds are noisy, with a deviation uniform up to this.
    force_key : str
        Key of (B,), bool: tiles that are normalised again in any case. The item may lack it.
    normalize : transform, optional
        What normalised the images; by default it is MONAI's NormalizeIntensityd. What
        :class:`unetpipe.transforms.NormalizeBrightd` compressed is expanded, normalised and compressed again.
    """

    takes_batches = True

    def __init__(
        self,
        keys: KeysCollection = ("image", "label", "weight"),
        prob: float = 0.5,
        share: tuple[float, float] = (0.2, 1.0),
        ground_prob: float = 0.15,
        noise: float = 0.3,
        force_key: str = "renormalize",
        normalize: Any = None,
    ) -> None:
        super().__init__(keys)
        self.prob = prob
        self.share = share
        self.ground_prob = ground_prob
        self.noise = noise
        self.force_key = force_key
        self.bright = normalize if isinstance(normalize, NormalizeBrightd) else None
        self.renormalizes = normalize is None or isinstance(normalize, NormalizeIntensityd)

    def draw(self) -> list[float]:
        """Draw one sample.

        That is: whether to normalise, the tile's share, whether to add ground, where it begins along both axes (above
        1: not at all), from which end, its grey value relative to the median, whether it is black, its noise, a seed.
        """
        ground = self.R.random_sample() < self.ground_prob
        begins, ends = self.R.uniform(0.3, 1.6, 2), self.R.randint(0, 2, 2)
        shift, black = 0.1 * self.R.normal(), self.R.random_sample() < 0.2
        noise = self.noise * self.R.random_sample() * self.R.randint(0, 2)
        again = self.R.random_sample() < self.prob or ground
        return [again, self.R.uniform(*self.share), ground, *begins, *ends, shift, black, noise, self.R.randint(SEEDS)]

    def randomize(self, data: Any) -> None:
        """Draw for as many samples as ``data`` says (int)."""
        self.rows = np.array([self.draw() for _ in range(int(data))], np.float32)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with image, label and weight changed."""
        item = dict(data)
        single = item[self.keys[0]].ndim == 3
        item.update((key, plain_tensor(item[key])) for key in self.keys)  # in all samples, so that they form one batch
        wholes = [item[key][None] if single else item[key] for key in self.keys]
        forced = item.get(self.force_key)
        self.randomize(len(wholes[0]))
        chosen = np.flatnonzero(self.rows[:, 0] if forced is None else np.ones(len(self.rows)))
        if not len(chosen):
            return item
        parts = wholes
        if len(chosen) < len(self.rows):
            place = to_device(chosen, wholes[0].device)
            parts = [whole.index_select(0, place) for whole in wholes]
        image, label, weight = parts
        seen = self._seen(image, label, weight, self.rows[chosen], None if forced is None else forced.reshape(-1))
        if len(chosen) < len(self.rows):
            seen = [whole.index_copy(0, place, part) for whole, part in zip(wholes, seen, strict=True)]
        item.update((key, part[0] if single else part) for key, part in zip(self.keys, seen, strict=True))
        return item

    def _seen(
        self, image: Tensor, label: Tensor, weight: Tensor, rows: np.ndarray, forced: Tensor | None
    ) -> Sequence[Tensor]:
        """Return image, label and weight of samples as the drawn rows (B, 11) say."""
        drawn = to_device(rows, image.device)
        grey = self._ground_value(image, drawn)
        if rows[:, 2].any():
            added, ground = self._added(image, drawn), grey
            if rows[:, 9].any():
                ground = grey + per_sample(drawn[:, 9]) * seeded_noise(image, rows[:, 10].astype(int).tolist())
            image = torch.where(added, ground, image)
            here = centre(added, label.shape[-1])
            label = torch.where(here, torch.zeros_like(label), label)
            weight = torch.where(here, torch.ones_like(weight), weight)
        if not self.renormalizes:
            return image, label, weight
        share = per_sample(drawn[:, 1])
        if self.bright is None:
            again = self._normalized(image, grey, share)
        else:
            again = self._normalized(self.bright.expanded(image), self.bright.expanded(grey), share)
            again = self.bright.compressed(again)
        if forced is not None:
            again = torch.where(per_sample((drawn[:, 0] > 0) | forced), again, image)
        return again, label, weight

    @staticmethod
    def _ground_value(image: Tensor, drawn: Tensor) -> Tensor:
        """Return the grey value of the ground, (B, C, 1, 1)."""
        few = image[..., ::THINNING, ::THINNING].flatten(2)
        middle = few.median(-1).values + drawn[:, 7:8] * few.std(-1)
        return torch.where(drawn[:, 8:9] > 0, few.amin(-1), middle)[..., None, None]

    @staticmethod
    def _added(image: Tensor, drawn: Tensor) -> Tensor:
        """Return where ground is added, (B, 1, H, W)."""
        beyond = []
        for axis, side in enumerate(image.shape[-2:]):
            place = (torch.arange(side, device=image.device) + 0.5) / side
            place = torch.where(drawn[:, 5 + axis, None] > 0, 1 - place, place)
            beyond.append(place > drawn[:, 3 + axis, None])
        return per_sample(drawn[:, 2] > 0) & (beyond[0][:, None, :, None] | beyond[1][:, None, None, :])

    @staticmethod
    def _normalized(image: Tensor, grey: Tensor, share: Tensor) -> Tensor:
        """Normalise by the moments of an image of which ``share`` is the tile, the rest flat ground."""
        variance, mean = torch.var_mean(image, dim=(-2, -1), correction=0, keepdim=True)
        whole = share * mean + (1 - share) * grey
        spread = share * (variance + (mean - whole) ** 2) + (1 - share) * (grey - whole) ** 2
        return (image - whole) / spread.sqrt().clamp(min=SMALLEST_DEVIATION)
