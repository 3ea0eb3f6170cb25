"""Every file of a set read once: what its frames are like, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from unetpipe.datasets.cells import touching_cells
from unetpipe.datasets.images import read_for_network
from unetpipe.datasets.layouts import check_same_size, read_truth
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError, stop
from unetpipe.scope import SEVERAL_CLASSES

SMALLEST_MEDIAN = 12  # px; a smaller median cell is more likely a rim of grey values


class Frame(NamedTuple):
    """One frame: its ``record``, ``shape`` (C, H, W), ``dtype`` in the file, ``lowest`` and ``highest`` grey value.

    ``areas`` are its cells' sizes (px), ``touching`` the number that touch another, ``unknown`` the share of its
    pixels whose class is not known, ``background`` the share that is 0.
    """

    record: Record
    shape: tuple[int, int, int]
    dtype: str
    lowest: float
    highest: float
    areas: np.ndarray
    touching: int
    unknown: float
    background: float = 1.0


class Survey(NamedTuple):
    """The frames of a set that can be read, in order."""

    frames: list[Frame]

    @property
    def areas(self) -> np.ndarray:
        """Sizes of all cells in pixels, (number of cells,)."""
        return np.concatenate([frame.areas for frame in self.frames]) if self.frames else np.zeros(0, int)

    @property
    def diameters(self) -> np.ndarray:
        """Diameters of discs of the cells' sizes in pixels, (number of cells,)."""
        return 2 * np.sqrt(self.areas / np.pi)

    @property
    def touching(self) -> float:
        """Share of the cells that touch another, 0 … 1."""
        return sum(frame.touching for frame in self.frames) / max(len(self.areas), 1)

    @property
    def unknown(self) -> float:
        """Share of the pixels whose class is not known, 0 … 1."""
        pixels = [frame.shape[1] * frame.shape[2] for frame in self.frames]
        return sum(frame.unknown * count for frame, count in zip(self.frames, pixels, strict=True)) / max(
            sum(pixels), 1
        )

    def warnings(self) -> list[str]:
        """Say, a sentence each, where the masks can be read but hardly mean what was meant."""
        frames = [frame for frame in self.frames if len(frame.areas)]
        if not frames:
            return []
        said = []
        if all(frame.background == 0 for frame in frames):
            said.append(
                "No pixel of any mask is 0, so there is no background. Background must be 0; ilastik, for instance, "
                "writes 1 for the first class and 2 for the second."
            )
        covering = sum(2 * frame.areas.max() > frame.shape[1] * frame.shape[2] for frame in frames)
        if 2 * covering > len(frames):
            said.append(
                f"In {covering} of {len(frames)} masks one cell covers more than half of the image. If that is the "
                "background, the masks are inverted: background must be 0."
            )
        median = float(np.median(self.areas))
        if median < SMALLEST_MEDIAN:
            said.append(
                f"The median cell has only {median:g} pixels. Masks that were resized with interpolation, or saved as "
                "JPEG, hold many grey values at the rims of the cells; each would be a cell. Save masks as PNG or "
                "TIFF, and resize them by nearest neighbour."
            )
        if any(frame.record.get("masks") == "classes" for frame in frames):
            said.append(
                f"The values of the masks look like classes, and training makes one class of them. {SEVERAL_CLASSES} "
                "If each value is a cell, set masks=instances."
            )
        return said


def survey(records: Sequence[Record], channels: int | None = None, complain: Callable[[str], None] = stop) -> Survey:
    """Read images and truth of records as training will.

    Parameters
    ----------
    records : sequence of Record
        As :func:`unetpipe.datasets.find_records` lists them.
    channels : int, optional
        Channels that the network takes; images of another number are wrong.
    complain : callable
        Given one sentence for each thing that is wrong; by default raises InputError at the first.
    """
    constant = _ConstantFiles()
    frames = []
    for record in records:
        try:
            image = read_for_network(record["image"], record.get("page"), channels)
            constant.add(record["image"], image)
            label, known = read_truth(record)
            check_same_size(record, label, image.shape)
        except InputError as error:
            complain(str(error))
            continue
        frame = Frame(
            record=record,
            shape=image.shape,
            dtype=str(image.dtype),
            lowest=float(image.min()),
            highest=float(image.max()),
            areas=np.unique(label[label > 0], return_counts=True)[1],
            touching=len(touching_cells(label)),
            unknown=1 - float(known.mean()),
            background=float((label == 0).mean()),
        )
        frames.append(frame)
    constant.report(complain)
    return Survey(frames)


def check_images(
    records: Sequence[Record], channels: int | None = None, complain: Callable[[str], None] = stop
) -> None:
    """Read the images of records (:func:`unetpipe.datasets.find_images`) as inference will; parameters as in survey."""
    constant = _ConstantFiles()
    for record in records:
        try:
            constant.add(record["image"], read_for_network(record["image"], record.get("page"), channels))
        except InputError as error:
            complain(str(error))
    constant.report(complain)


class _ConstantFiles:
    """Files all of whose pages are constant; an empty slice in a volume is nothing unusual."""

    def __init__(self) -> None:
        self.constant: dict[str, bool] = {}

    def add(self, path: str, image: np.ndarray) -> None:
        self.constant[path] = self.constant.get(path, True) and bool(image.min() == image.max())

    def report(self, complain: Callable[[str], None]) -> None:
        for path, constant in self.constant.items():
            if constant:
                complain(f"{path} is constant: all its pixels are alike, so there is nothing to find in it.")
