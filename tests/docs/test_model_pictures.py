"""Every shipped model has a look-alike, and a picture on the page that helps to choose."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(DOCS), *sys.path])
        return runpy.run_path(str(DOCS / "make_model_pictures.py"))


def test_every_model_has_a_look_alike_and_a_picture(script: dict) -> None:
    names = model_names(find_bundle())
    assert sorted(script["LOOK_ALIKES"]) == sorted(names)
    page = (DOCS / "choose-a-model.md").read_text(encoding="utf-8")
    for name in names:
        assert f"](images/model_{name}.png)" in page
        assert Image.open(DOCS / "images" / f"model_{name}.png").size == (2 * script["SIDE"] + script["GAP"], 320)


def test_look_alikes_are_grey_pictures_and_the_same_each_time(script: dict) -> None:
    for name, draw in script["LOOK_ALIKES"].items():
        image = draw(np.random.default_rng(2))
        assert image.shape == (script["SIDE"], script["SIDE"]), name
        assert image.dtype == np.uint8
        assert image.std() > 5, name
        assert np.array_equal(image, draw(np.random.default_rng(2))), name
