"""How well a model fits an image: which of several models does, and at which diameter of the cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from unetpipe.errors import InputError
from unetpipe.instances.trained_on import USUAL, TrainedOn, doubt, image_detail, unlikeness

if TYPE_CHECKING:
    from unetpipe.predictor import Predictor

SIDE = 320  # px of the part of an image that is tried, as the network sees it
SCALES = (0.25, 0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)
SIZES = 0.5  # penalty for cells of twice or half the usual size; twice the usual doubt has the penalty 1
FITS, LIMIT = 1.0, 2.0  # a model fits as it does its validation frames below the first; none fits above the second


@dataclass(frozen=True)
class Fit:
    """How well a model fits an image.

    Attributes
    ----------
    misfit : float
        The lower, the better: the doubt over the geometric mean of the highest doubt of validation and a usual one, and
        what the cells' size and the image's detail add to that. Infinite if no cell was found.
    cells : int
        Number of cells that were found in the part of the image.
    diameter : float
        Diameter in pixels of a disc as large as the median cell, in the image itself.
    """

    misfit: float
    cells: int
    diameter: float


def measure_fit(predictor: Predictor, image: np.ndarray, scale: float = 1.0) -> Fit:
    """Run a model on the middle of an image, and say how well it fits.

    Parameters
    ----------
    predictor : Predictor
        A model that says what it was trained on.
    image : ndarray
        (C, H, W), as many channels as the model takes.
    scale : float
        The image is scaled by it.

    Raises
    ------
    InputError
        If it is not known what the model was trained on.
    """
    facts = facts_behind(predictor)
    whole = torch.as_tensor(predictor.normalize({"image": torch.from_numpy(image.astype(np.float32))})["image"])
    sides = [min(round(SIDE / scale), side) for side in whole.shape[1:]]
    top, left = ((side - part) // 2 for side, part in zip(whole.shape[1:], sides, strict=True))
    part = whole[None, :, top : top + sides[0], left : left + sides[1]]
    if scale != 1:
        size = [max(8, round(side * scale)) for side in sides]
        part = F.interpolate(part, size, mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        logits = predictor.tiles(part.to(predictor.device), predictor.network)[0]
    probability = 1 - np.asarray(torch.softmax(logits.float(), dim=0)[0].cpu())
    areas = np.bincount(predictor.settings.instances(probability).ravel())[1:]
    if not len(areas):
        return Fit(float("inf"), 0, 0.0)
    median = float(np.median(areas))
    misfit = doubt(probability, facts.cell_areas[2]) / np.sqrt((facts.doubt or USUAL) * USUAL)
    low, high = facts.cell_areas[1], facts.cell_areas[3]
    misfit += SIZES * abs(np.log2(max(median / high, 1) * max(low / median, 1)))
    if scale == 1:
        misfit += float(np.log2(unlikeness(image_detail(whole.numpy()), facts.detail)))
    return Fit(float(misfit), len(areas), float(2 * np.sqrt(median / np.pi)) / scale)


def facts_behind(predictor: Predictor) -> TrainedOn:
    """Return what a model was trained on; raise InputError if it is not known."""
    if predictor.trained_on is None:
        raise InputError(
            "It is not known what this model was trained on, so cells cannot be scaled to that size; train it again, "
            "or use --rescale with --pixel-size."
        )
    return predictor.trained_on


def estimate_diameter(predictor: Predictor, image: np.ndarray) -> float:
    """Estimate the diameter of the cells in an image (C, H, W), in pixels, by trying a model at several scales.

    Raises
    ------
    InputError
        If no cells are found at any scale, or it is not known what the model was trained on.
    """
    facts = facts_behind(predictor)
    tried = {scale: measure_fit(predictor, image, scale) for scale in SCALES}
    rated = {
        scale: fit.misfit + SIZES * abs(np.log2(fit.diameter * scale / facts.diameter))
        for scale, fit in tried.items()
        if fit.cells
    }
    if not rated:
        raise InputError(
            "The diameter of the cells cannot be estimated: no cell was found at any scale; give a number."
        )
    best = min(rated, key=lambda scale: rated[scale])
    return tried[best].diameter


def choose_model(
    predictors: Mapping[str, Predictor], images: Sequence[Mapping[str, np.ndarray]]
) -> tuple[str | None, dict[str, float]]:
    """Choose the model that fits images best.

    It is the one of least misfit. But a model of one kind of image that fits as usual comes before all of many kinds:
    it knows such images better, even where the others have less doubt than they usually have.

    Parameters
    ----------
    predictors : mapping
        The models by name; those of which it is not known what they were trained on are left out.
    images : sequence of mapping
        For each image, the array (C, H, W) by the name of the model; a model that cannot take an image lacks it.

    Returns
    -------
    name : str or None
        None if no model fits.
    misfits : dict
        The mean misfit of each model over the images, the chosen one first, then the least.
    """
    misfits = {}
    for name, predictor in predictors.items():
        if predictor.trained_on is not None and all(name in image for image in images):
            misfits[name] = float(np.mean([measure_fit(predictor, image[name]).misfit for image in images]))

    def rank(name: str) -> tuple[bool, float]:
        comes_first = misfits[name] <= FITS and not facts_behind(predictors[name]).kinds
        return not comes_first, misfits[name]

    ordered = {name: misfits[name] for name in sorted(misfits, key=rank)}
    best = next(iter(ordered), None)
    return (best if best is not None and ordered[best] <= LIMIT else None), ordered
