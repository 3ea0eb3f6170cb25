from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.speed.plots import draw
from benchmarks.speed.timing import Times


@pytest.mark.parametrize(("seconds", "proportional"), [([0.1, 0.4, 1.6], 2), ([0.1, 0.1, 0.11], None)])
def test_a_curve_is_drawn(tmp_path: Path, seconds: list[float], proportional: int | None):
    curve = {
        side: Times((second, 1.1 * second), (second, second)) for side, second in zip((1, 2, 4), seconds, strict=True)
    }
    draw(tmp_path / "curve.png", curve, "side", "title", proportional)
    with Image.open(tmp_path / "curve.png") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) == 255
