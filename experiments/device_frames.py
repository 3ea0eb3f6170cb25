"""Prepared frames kept on the device, and random batches of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.stress.perturbations import SMALLEST_EMPTY
from experiments.preparing import Prepared
from unetpipe.transforms.batched import to_device

PART = 0.25  # of the tiles see a part of a frame as if it were the whole
SMALLEST_PART = 160  # px
CENTRED = 0.7  # of the tiles of a partly annotated frame are centred on an annotated cell
GROUPS = 0.75  # power of the frames of a group by which the group is drawn


class DeviceFrames:
    """Frames of all sizes in one tensor, and batches drawn from it without a copy from the host.

    Parameters
    ----------
    frames : sequence of Prepared
        What is drawn from.
    shares : dict
        How often each set is drawn. Within a set large groups are drawn more often (:func:`chances`).
    empty : float
        Share of the samples that show a place without cells.
    device : torch.device
        Where the frames are kept.
    """

    MOST = 0.02  # of all draws fall on one frame at most, where there are enough frames

    def __init__(
        self, frames: Sequence[Prepared], shares: dict[str, float], empty: float, device: torch.device
    ) -> None:
        height, width = (max(frame.image.shape[axis] for frame in frames) for axis in (1, 2))
        count = len(frames)
        self.image = torch.zeros(count, len(frames[0].image), height, width, dtype=torch.float16, device=device)
        self.label = torch.zeros(count, 1, height, width, dtype=torch.uint8, device=device)
        self.weight = torch.zeros(count, 1, height, width, dtype=torch.float16, device=device)
        for number, frame in enumerate(frames):
            rows, columns = frame.label.shape[1:]
            for whole, part in ((self.image, frame.image), (self.label, frame.label), (self.weight, frame.weight)):
                whole[number, :, :rows, :columns] = torch.from_numpy(part).to(device)
        self.sizes = [frame.label.shape[1:] for frame in frames]
        self.places = [frame.empty for frame in frames]
        self.centres = [frame.centres for frame in frames]
        self.empty = empty
        self.chances = chances(frames, shares, self.MOST)
        self.device = device

    def batch(self, count: int, random: np.random.RandomState) -> dict[str, Tensor]:
        """Return frames (B, C, H, W) under "image", "label" and "weight", and "window", "centre" and "renormalize"."""
        chosen = random.choice(len(self.chances), count, p=self.chances)
        rows = np.array([[number, *self._view(number, random)] for number in chosen], np.float32)
        drawn = to_device(rows, self.device).long()
        item = {key: getattr(self, key).index_select(0, drawn[:, 0]) for key in ("image", "label", "weight")}
        return {**item, "window": drawn[:, 1:5], "renormalize": drawn[:, 5] > 0, "centre": drawn[:, 6:]}

    def _view(self, number: int, random: np.random.RandomState) -> tuple[int, ...]:
        """Return top, left, bottom, right, whether that is a part of the frame, and the tile's centre or −1, −1."""
        *window, part = self._window(number, random)
        centres = self.centres[number]
        if part or not len(centres) or random.random_sample() >= CENTRED:
            return (*window, part, -1, -1)
        return (*window, part, *centres[random.randint(len(centres))].tolist())

    def _window(self, number: int, random: np.random.RandomState) -> tuple[int, int, int, int, int]:
        """Return top, left, bottom, right, and whether that is a part of the frame."""
        height, width = self.sizes[number]
        kind, place = random.random_sample(), self.places[number]
        if kind < self.empty and len(place):
            return (*_part(place[random.randint(len(place))], random), 1)
        if kind > 1 - PART and min(height, width) > SMALLEST_PART:
            rows, columns = (random.randint(SMALLEST_PART, side + 1) for side in (height, width))
            top, left = random.randint(height - rows + 1), random.randint(width - columns + 1)
            return (top, left, top + rows, left + columns, 1)
        return (0, 0, height, width, 0)


def _part(place: np.ndarray, random: np.random.RandomState) -> tuple[int, int, int, int]:
    """Return a random box of at least ``SMALLEST_EMPTY`` pixels within a box (4,), half of the time all of it."""
    top, left, bottom, right = place.tolist()
    if random.random_sample() < 0.5:
        return (top, left, bottom, right)
    rows, columns = (random.randint(SMALLEST_EMPTY, side + 1) for side in (bottom - top, right - left))
    top, left = top + random.randint(bottom - top - rows + 1), left + random.randint(right - left - columns + 1)
    return (top, left, top + rows, left + columns)


def chances(frames: Sequence[Prepared], shares: dict[str, float], most: float) -> np.ndarray:
    """Return the probability of drawing each frame, (n,).

    Within a group a frame counts by the root of its cells, so that frames with few annotated cells come less often.
    A group counts by a power of its frames, so that rare kinds come more often than they are.
    """
    kinds = [(frame.entry.data, frame.entry.group) for frame in frames]
    weights = np.array([np.sqrt(1 + len(frame.areas)) for frame in frames])
    totals = {kind: sum(weight for weight, own in zip(weights, kinds, strict=True) if own == kind) for kind in kinds}
    groups = {kind: count**GROUPS for kind, count in Counter(kinds).items()}
    sets = {data: sum(part for kind, part in groups.items() if kind[0] == data) for data, _ in groups}
    whole = sum(shares[data] for data in sets)
    parts = [shares[kind[0]] / whole * groups[kind] / sets[kind[0]] / totals[kind] for kind in kinds]
    # the only frame of a group would be learned by heart
    chance = np.minimum(weights * parts, max(most, 4 / len(frames)))
    return chance / chance.sum()
