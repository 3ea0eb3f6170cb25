"""``unetpipe segment --model auto`` and ``--diameter auto``: choose by a few of the images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unetpipe.bundle.models import model_names
from unetpipe.datasets.pixels import fit_channels, read_pixels
from unetpipe.datasets.records import of_channel
from unetpipe.errors import InputError
from unetpipe.fit import choose_model
from unetpipe.predictor import Predictor

if TYPE_CHECKING:
    from unetpipe.datasets.records import Record

IMAGES = 3  # that are tried


def chosen_model(bundle: str | os.PathLike, records: Sequence[Record], safe: bool = False) -> str:
    """Try all models of a bundle on up to 3 images, say how well they fit, and return the name of the best.

    Raises
    ------
    InputError
        If none fits.
    """
    if not model_names(bundle):
        raise InputError(f"{bundle} has no named models to choose from; leave out --model auto.")
    # one pass each: averaging takes long, and does not change which fits
    predictors = {name: Predictor.load(bundle, name, safe=safe, rotations=0) for name in model_names(bundle)}
    images = []
    for record in _few(records):
        pixels = read_pixels(record)
        fitting = {name: _with_channels(pixels, predictor.channels) for name, predictor in predictors.items()}
        images.append({name: array for name, array in fitting.items() if array is not None})
    best, misfits = choose_model(predictors, images)
    told = ", ".join(f"{name} {misfit:.2f}" for name, misfit in misfits.items())
    if best is None:
        raise InputError(
            f"No model fits these images (misfit, usually about 1: {told or 'no model could be tried'}); name one by "
            "--model to try it anyway, or train one."
        )
    others = [misfit for name, misfit in misfits.items() if name != best]
    lead = min(others) / misfits[best] if others and misfits[best] else float("inf")
    sure = "clearly" if lead >= 2 else "probably" if lead >= 1.25 else "hardly better than the next model"
    if lead < 1:
        sure = "as well as usual, and is preferred to models for many kinds of images"
    print(f"Model: {best} fits {sure} (misfit, usually about 1: {told})")
    return best


def estimated_diameter(predictor: Predictor, records: Sequence[Record]) -> float:
    """Return the median of the diameters that are estimated in up to 3 images, in pixels, and print it."""
    diameters = []
    for record in _few(records):
        pixels = _with_channels(read_pixels(of_channel(record, predictor.channel)), predictor.channels)
        if pixels is not None:
            diameters.append(predictor.estimate_diameter(np.moveaxis(pixels, 0, -1), "yxc"))
    if not diameters:
        raise InputError(f"The network takes {predictor.channels} channel(s), and the images have another number.")
    diameter = float(np.median(diameters))
    print(f"Diameter: about {diameter:.1f} pixels, estimated in {len(diameters)} image(s)")
    return diameter


def _few(records: Sequence[Record]) -> list[Record]:
    places = np.linspace(0, len(records) - 1, min(IMAGES, len(records))).round().astype(int)
    return [records[place] for place in places]


def _with_channels(pixels: np.ndarray, channels: int) -> np.ndarray | None:
    """Return an image with the channels that a network takes, None if it does not fit."""
    fitted = fit_channels(pixels, channels)
    return fitted if len(fitted) == channels else None
