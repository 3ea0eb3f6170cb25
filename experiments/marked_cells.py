"""Annotate cells that the gold truth marks but does not outline, where a trained network outlines them surely.

Usage: ``python -m experiments.marked_cells DATA RESULTS OUTPUT --model fluo_gowt1``, with RESULTS what
:mod:`experiments.train_models` left. Only training frames of partly annotated sets are touched. For each, a file with
the new "label" and "known" is written, which :mod:`experiments.pack_data` takes by ``--marked``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from skimage.segmentation import watershed

from experiments.choosing import probability_of
from experiments.known import known_pixels
from experiments.pack_data import PARTLY_ANNOTATED, SEQUENCES, median_area
from experiments.recipes import RECIPES
from unetpipe.datasets import find_records, read_truth
from unetpipe.io import read_image, read_labels
from unetpipe.networks import UNet, load_weights

SURE = 0.75  # mean probability inside
SIZES = (0.3, 2.0)  # of the median area
RIM = 2  # px around a new cell that stay unknown, for its outline is the network's


def main() -> None:
    """Write a file for each training frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    recipe = next(recipe for recipe in RECIPES if recipe.name == arguments.model)
    results = json.loads((arguments.results / "results.json").read_text())
    trained, threshold = results["trained"][recipe.name], results["chosen"][recipe.name]["threshold"]
    network = UNet(trained["in_channels"], 2, trained["channels"], "batch")
    network = load_weights(network, arguments.results / f"{recipe.name}.pt").eval()
    for data in (name for name in recipe.sets if name in PARTLY_ANNOTATED):
        folder, parts = SEQUENCES[data]
        records = {record["frame"]: record for record in find_records(str(arguments.data / folder))}
        area = median_area(records[number] for number in parts[0])
        for number in sorted(parts[0]):
            record = records[number]
            image = read_image(record["image"])
            label, markers = read_truth(record)[0], read_labels(record["markers"])
            known = known_pixels(image[0], label, markers, area)
            probability = probability_of(network, torch.from_numpy(image.astype(np.float32)), recipe, trained["bright"])
            before = len(np.unique(label))
            label, known = with_marked_cells(label, markers, known, probability.astype(np.float32), threshold, area)
            np.savez_compressed(arguments.output / f"{data}_{number:03d}.npz", label=label, known=known)
            print(
                f"{data} {number}: {len(np.unique(label)) - before} of {len(np.unique(markers)) - before}", flush=True
            )


def with_marked_cells(
    label: np.ndarray, markers: np.ndarray, known: np.ndarray, probability: np.ndarray, threshold: float, area: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return label and known pixels with the cells that ``probability`` outlines surely around markers without a cell.

    Parameters
    ----------
    label, markers, known : ndarray
        (H, W): gold truth, markers of all cells (0 background), where the truth is known.
    probability : ndarray
        (H, W), of "cell".
    threshold : float
        Of the probability.
    area : float
        Median area of the annotated cells in pixels.
    """
    inside = (probability > threshold) | (label > 0)
    inside |= markers > 0
    parts = watershed(-probability, markers.astype(np.int32), mask=inside)
    label, known, taken = label.copy(), known.copy(), np.zeros(label.shape, bool)
    missing = (number for number in np.unique(markers[markers > 0]) if 2 * (label[markers == number] > 0).mean() < 1)
    for number in list(missing):
        cell = ndimage.binary_fill_holes((parts == number) & (probability > threshold) & (label == 0))
        size = np.count_nonzero(cell)
        if not SIZES[0] * area <= size <= SIZES[1] * area or probability[cell].mean() < SURE:
            continue
        if 2 * np.count_nonzero(cell & (markers == number)) < np.count_nonzero(markers == number):
            continue
        label[cell] = label.max() + 1
        taken |= cell
    # what is unknown now hangs on markers without a cell: those that were taken free the pixels around them
    left = np.isin(markers, [number for number in np.unique(markers) if number and not taken[markers == number].any()])
    left &= label == 0
    around = ndimage.binary_dilation(taken, iterations=RIM) & (label == 0)
    far = ndimage.distance_transform_edt(~left) if left.any() else np.full(label.shape, np.inf)
    freed = ~known & (ndimage.distance_transform_edt(~taken) < far) if taken.any() else np.zeros_like(known)
    known |= freed & (probability < threshold)
    known |= taken
    return label, known & ~(around & (probability > 0.1))


if __name__ == "__main__":
    main()
