"""Time the border weight map, and the ways to compute it that are common in public repositories."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from benchmarks.speed.cells import cell_map
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row, Times, alternate, ratio
from unetpipe.transforms import BorderWeightMap

NAME = "weight_map"
W0, SIGMA = 10.0, 5.0


def stacked(label: np.ndarray) -> np.ndarray:
    """Return the weights by one distance transform of the whole image for each cell, stacked and sorted."""
    cells = np.unique(label)[1:]
    distances = np.zeros((*label.shape, len(cells)))
    for place, cell in enumerate(cells):
        distances[..., place] = ndimage.distance_transform_edt(label != cell)
    distances.sort(axis=-1)
    return weights(distances[..., 0], distances[..., 1])


def running(label: np.ndarray) -> np.ndarray:
    """Return the weights by one distance transform of the whole image for each cell, the two least kept."""
    nearest, second = np.full((2, *label.shape), np.inf)
    for cell in np.unique(label)[1:]:
        distance = ndimage.distance_transform_edt(label != cell)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return weights(nearest, second)


def weights(nearest: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the formula's value."""
    return 1 + W0 * np.exp(-((nearest + second) ** 2) / (2 * SIGMA**2))


def ours(label: np.ndarray) -> np.ndarray:
    """Return the weights by unetpipe."""
    return BorderWeightMap(W0, SIGMA)(label[None])[0].numpy()


def run(settings: Settings) -> list[Row]:
    """Check that all three agree, then time them."""
    side, counts = (512, (200, 1000)) if not settings.quick else (128, (12, 20))
    few, many = (cell_map(side, count) for count in counts)
    for label, other in ((few, stacked), (few, running), (many, stacked)):
        np.testing.assert_allclose(ours(label), other(label), rtol=1e-5)
    times = alternate(
        {"unetpipe": lambda: ours(few), "stack": lambda: stacked(few), "running minima": lambda: running(few)},
        settings.repeats,
        warm_up=False,
    )
    crowded = alternate({"unetpipe": lambda: ours(many), "stack": lambda: stacked(many)}, settings.repeats, False)
    return [
        ratio(NAME, f"{side}², {counts[0]} cells, against a stack of distances", times, "stack", "unetpipe", 50),
        ratio(NAME, f"{side}², {counts[0]} cells, against the running minima", times, "running minima", "unetpipe", 25),
        ratio(NAME, f"{side}², {counts[1]} cells, against a stack of distances", crowded, "stack", "unetpipe", 100),
        large(settings),
    ]


def large(settings: Settings) -> Row:
    """Return how many single distance transforms of the image a large map with many cells costs."""
    side, count = (2048, 5000) if not settings.quick else (256, 60)
    label = cell_map(side, count)
    outside = label == 0
    times = alternate(
        {"unetpipe": lambda: ours(label), "distance transform": lambda: ndimage.distance_transform_edt(outside)},
        settings.repeats,
    )
    value = times["unetpipe"].median / times["distance transform"].median
    return Row(NAME, f"{side}², {count} cells", value, "distance transforms", "<=", 15, times)


def curve(settings: Settings) -> dict[int, Times]:
    """Return the time of a map by its number of cells."""
    side, counts = (512, (10, 30, 100, 300, 1000)) if not settings.quick else (128, (4, 12))
    labels = {count: cell_map(side, count) for count in counts}
    jobs = {str(count): (lambda label=label: ours(label)) for count, label in labels.items()}
    return {int(count): times for count, times in alternate(jobs, settings.repeats).items()}
