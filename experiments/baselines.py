"""Score constant and classical predictors on a data set, with the measures of the bundle's evaluation.

    python -m experiments.baselines DATASET --frames 18-23

Constant predictors: everything is one object; nothing is an object. Classical predictors take 4-connected components
of the mean over the channels: the bright side of Otsu's threshold, its dark side, or the side with fewer pixels; the
dark side without objects at the edge of the image (lungs); and pixels brighter than their neighbourhood, a Gaussian
mean of 8 pixels (cells between dark borders). Objects below 20 pixels are removed, and so is everything where the truth
is unknown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from benchmarks.arguments import one_sentence
from unetpipe.datasets import find_records, parse_frames, read_truth, recognise, select
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.instances.from_probability import otsu_components, remove_small
from unetpipe.instances.ridge import refill_ridge
from unetpipe.io import read_image
from unetpipe.metrics import FrameScore, score_segmentation, summarise
from unetpipe.metrics.pixels import border_scores, sum_borders

SMALLEST = 20  # px


def components(mask: np.ndarray) -> np.ndarray:
    """Number the 4-connected components of (H, W), small ones removed."""
    return remove_small(ndimage.label(mask)[0].astype(np.int32), SMALLEST)


def bright(image: np.ndarray) -> np.ndarray:
    """Take the pixels above Otsu's threshold."""
    return remove_small(otsu_components(image), SMALLEST)


def dark(image: np.ndarray) -> np.ndarray:
    """Take the pixels below Otsu's threshold."""
    return bright(-image.astype(np.float32))


def rarer(image: np.ndarray) -> np.ndarray:
    """Take the side of Otsu's threshold that has fewer pixels."""
    sides = bright(image), dark(image)
    return min(sides, key=np.count_nonzero)


def dark_inside(image: np.ndarray) -> np.ndarray:
    """Take the objects below Otsu's threshold that do not touch the edge of the image."""
    labels = dark(image)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.where(np.isin(labels, edge), 0, labels)


def above_neighbourhood(image: np.ndarray) -> np.ndarray:
    """Take the pixels brighter than their neighbourhood, with thin lines between cells as the network has them."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 1)
    return refill_ridge(components(smooth > ndimage.gaussian_filter(smooth, 8)), 2)


PREDICTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "everything": lambda image: np.ones(image.shape, np.int32),
    "nothing": lambda image: np.zeros(image.shape, np.int32),
    "Otsu, bright": bright,
    "Otsu, dark": dark,
    "Otsu, rarer side": rarer,
    "Otsu, dark, inside": dark_inside,
    "above neighbourhood": above_neighbourhood,
}
SHOWN = ("SEG", "IoU", "Dice", "F1", "mean_precision")


def score(records: list[Record], layout: str) -> dict[str, dict[str, float | None]]:
    """Return the measures of every predictor."""
    frames: dict[str, list[FrameScore]] = {name: [] for name in PREDICTORS}
    borders: dict[str, list] = {name: [] for name in PREDICTORS}
    errors: dict[str, list[float]] = {name: [] for name in PREDICTORS}
    for number, record in enumerate(records):
        image = read_image(record["image"], record.get("page")).mean(axis=0)
        truth, known = read_truth(record)
        for name, predict in PREDICTORS.items():
            result = np.where(known, predict(image), 0)
            frames[name].append(FrameScore("", number, score_segmentation(number, truth, result, known)))
            errors[name].append(float(np.mean((result > 0) != (truth > 0))))
            if layout == "borders":
                borders[name].append(border_scores(truth, result, known))
    scores: dict[str, dict[str, float | None]] = {}
    for name in PREDICTORS:
        measures = summarise(frames[name]).scores()
        lines = {key: value.dice for key, value in sum_borders(borders[name]).items()}
        scores[name] = {**{key: measures[key] for key in SHOWN}, **lines}
        if layout == "isbi2012":
            scores[name]["pixel_error"] = float(np.mean(errors[name]))
    return scores


@one_sentence()
def main() -> None:
    """Print a table of predictors and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--frames", help='such as "18-23" or "1-32:5"; by default all')
    options = parser.parse_args()
    parse_frames(options.frames)
    records = select(find_records(options.dataset), frames=options.frames)
    if not records:
        raise InputError(f"No frame of {options.dataset} that has truth is among --frames {options.frames}.")
    table = score(records, recognise(options.dataset))
    names = next(iter(table.values()))
    print(f"{len(records)} images")
    print("| predictor | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for predictor, measures in table.items():
        cells = ("–" if value is None else f"{value:.3f}" for value in measures.values())
        print(f"| {predictor} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
