"""Compute a picture with the model that comes with the bundle."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks.speed.cells import cell_map, relief_image
from benchmarks.speed.timing import Row
from unetpipe.bundle.writing import find_bundle
from unetpipe.io import read_image
from unetpipe.predictor import Predictor

FRAME = Path("ctc", "DIC-C2DH-HeLa", "01", "t083.tif")


def picture() -> tuple[str, np.ndarray]:
    """Return a name and an image (512, 512): a frame of DIC-C2DH-HeLa where UNETPIPE_TEST_DATA has it, else drawn."""
    real = Path(os.environ.get("UNETPIPE_TEST_DATA", "")) / FRAME
    if real.is_file():
        return "a frame of DIC-C2DH-HeLa", read_image(real)[0]
    return "drawn cells", relief_image(cell_map(512, 12))


def class_agreement(benchmark: str) -> Row:
    """Return on how many pixels bfloat16 changes the class that the bundle's model gives them."""
    name, image = picture()
    classes = [
        Predictor.load(find_bundle(), amp=amp, device="$torch.device('cpu')")(image, return_probabilities=True)[1] > 0.5  # type: ignore[operator]
        for amp in (False, True)
    ]
    assert classes[0].any()
    changed = 100 * (classes[0] != classes[1]).mean()
    return Row(benchmark, f"pixels whose class bfloat16 changes, {name}", changed, "%", "<=", 0.5)
