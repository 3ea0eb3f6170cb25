"""What is computed once of each frame before a training, on the CPU: normalised image, label, weights, empty places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.stress.perturbations import empty_places
from experiments.packed import Entry, Frame, read_frame
from experiments.pasting import paste
from experiments.recipes import Recipe
from unetpipe.instances import cut_ridge
from unetpipe.transforms import BorderWeightMap

CENTRES = 4000  # pixels of cells that are kept of a frame


@dataclass
class Prepared:
    """A frame as a training wants it.

    Attributes
    ----------
    entry : Entry
        Where it is from.
    image : ndarray
        (C, H, W), float16, of mean 0 and deviation 1.
    label : ndarray
        (1, H, W), uint8: 1 in cells, without the ridge.
    weight : ndarray
        (1, H, W), float16: 0 where the class is unknown.
    empty : ndarray
        (n, 4): top, left, bottom, right of places without cells.
    centres : ndarray
        (n, 2): pixels of cells, every cell as often, if the frame is partly annotated; else (0, 2).
    areas : ndarray
        Areas of the cells in pixels.
    pasted : bool
        Whether cells were pasted.
    """

    entry: Entry
    image: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    empty: np.ndarray
    centres: np.ndarray
    areas: np.ndarray
    pasted: bool


def prepare(path: str, entry: Entry, recipe: Recipe, copy: int = 0, largest: int | None = None) -> Prepared:
    """Prepare a frame of the pack.

    Parameters
    ----------
    path, entry
        See :func:`experiments.packed.read_frame`.
    recipe : Recipe
        The training.
    copy : int
        0 is the frame itself; others get pasted cells, each number others.
    largest : int, optional
        Side in pixels to which frames are cut, for dry runs.
    """
    frame = cut(read_frame(path, entry), largest)
    if copy:
        paste(frame, seed=1000 * copy + sum(map(ord, entry.frame)))
    image = normalized(frame.image, recipe.in_channels, recipe.bright)
    label = cut_ridge(frame.label, recipe.ridge)
    w0, sigma, balance = recipe.w0, recipe.sigma, recipe.class_balance
    weights = BorderWeightMap(w0, sigma, balance, border_weight_outside_cells_only=True)
    weight = weights(label[None], frame.known[None]).numpy()
    numbers, areas = np.unique(frame.label[frame.label > 0], return_counts=True)
    return Prepared(
        entry,
        image.astype(np.float16),
        (label > 0)[None].astype(np.uint8),
        weight.astype(np.float16),
        empty_places((frame.label == 0) & frame.known),
        cell_pixels(frame.label, numbers) if not frame.known.all() else np.zeros((0, 2), int),
        areas,
        copy > 0,
    )


def cell_pixels(label: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return random pixels (n, 2) of the cells with these numbers, as many of each cell."""
    random, pixels = np.random.RandomState(0), []
    for number in numbers:
        own = np.argwhere(label == number)
        pixels.append(own[random.randint(len(own), size=CENTRES // len(numbers))])
    return np.concatenate(pixels) if pixels else np.zeros((0, 2), int)


def cut(frame: Frame, largest: int | None) -> Frame:
    """Return the top left of a frame."""
    if largest is None:
        return frame
    part = (slice(largest), slice(largest))
    return Frame(frame.entry, frame.image[:, *part], frame.label[part], frame.known[part])


def normalized(image: np.ndarray, channels: int, bright: bool) -> np.ndarray:
    """Return (channels, H, W) of mean 0 and deviation 1 in each; dark objects are turned to bright ones on request.

    That is ``NormalizeIntensityd``, or ``NormalizeBrightd`` without its compression, which follows the grey values.
    """
    image = np.repeat(image, channels, 0) if len(image) < channels else image[:channels]
    mean, deviation = image.mean((1, 2), keepdims=True), image.std((1, 2), keepdims=True)
    image = (image - mean) / np.where(deviation > 0, deviation, 1)
    if bright:
        grey = image.mean(0)
        image = -image if ((grey - grey.mean()) ** 3).mean() < 0 else image
    return image
