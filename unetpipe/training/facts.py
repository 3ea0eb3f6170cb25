"""What a training set is like, to be stored with the model (:class:`unetpipe.instances.TrainedOn`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from unetpipe.datasets import Record, read_truth
from unetpipe.datasets.pixels import read_for_network
from unetpipe.instances.trained_on import PERCENTILES, TrainedOn, image_detail

FRAMES = 40  # whose images are read, spread evenly over the set


def describe_frames(
    frames: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray | None]], doubt: float | None = None
) -> TrainedOn:
    """Describe frames by their cells and detail.

    Parameters
    ----------
    frames : iterable of (ndarray, ndarray, ndarray or None)
        For each frame: the truth (H, W), integer; where it is known (H, W), bool; the image as it is normalised,
        (C, H, W), or None.
    doubt : float, optional
        The highest doubt on a validation frame, if it is known.

    Raises
    ------
    ValueError
        If no frame has an image.
    """
    areas: list[np.ndarray] = []
    shares: list[float] = []
    details: list[list[float]] = []
    for truth, known, image in frames:
        areas.append(np.unique(truth[truth > 0], return_counts=True)[1])
        pixels = truth.size if known is None else int(np.count_nonzero(known))
        shares.append(int(np.count_nonzero(truth)) / max(pixels, 1))
        if image is not None:
            details.append(image_detail(image))
    every = np.concatenate([*areas, np.zeros(0)])
    every = every if len(every) else np.zeros(1)
    ranges = zip(np.min(details, 0).tolist(), np.max(details, 0).tolist(), strict=True)
    return TrainedOn(
        tuple(np.percentile(every, PERCENTILES).round(1).tolist()),
        (round(min(shares), 4), round(max(shares), 4)),
        tuple((round(least, 4), round(most, 4)) for least, most in ranges),
        doubt,
    )


class TrainingFacts:
    """The description of a training set; it is computed when it is asked for.

    Parameters
    ----------
    records : sequence of Record
        What is trained on.
    normalize : callable
        The transform that normalises ``{"image": (C, H, W)}``.
    channels : int
        Channels that the network takes.
    """

    def __init__(self, records: Sequence[Record], normalize: Callable[[dict[str, Any]], Any], channels: int) -> None:
        self.records = records
        self.normalize = normalize
        self.channels = channels

    def compute(self) -> TrainedOn:
        """Read the truth of all frames and the images of up to 40."""
        chosen = set(np.linspace(0, len(self.records) - 1, min(FRAMES, len(self.records))).round().astype(int).tolist())
        return describe_frames(
            (*read_truth(record), self._image(record) if number in chosen else None)
            for number, record in enumerate(self.records)
        )

    def _image(self, record: Record) -> np.ndarray:
        pixels = read_for_network(record, self.channels)
        return np.asarray(self.normalize({"image": torch.from_numpy(pixels.astype(np.float32, order="C"))})["image"])
