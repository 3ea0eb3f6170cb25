from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.baselines import PREDICTORS, main, rarer


def test_rarer_side_is_the_object_whatever_the_contrast():
    image = np.full((20, 20), 10.0)
    image[2:9, 2:9] = 200
    for picture in (image, 255 - image):
        assert np.array_equal(rarer(picture) > 0, image > 100)


def test_constants():
    image = np.arange(400.0).reshape(20, 20)
    assert (PREDICTORS["everything"](image) == 1).all()
    assert not PREDICTORS["nothing"](image).any()


@pytest.mark.parametrize(
    ("folder", "frames", "words"),
    [("nowhere", "0", "nowhere"), ("", "x", "cannot be read"), ("", "99", "is among --frames 99")],
)
def test_mistakes_are_one_sentence(
    folder: str,
    frames: str,
    words: str,
    synthetic: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    monkeypatch.setattr(sys, "argv", ["baselines", str(synthetic / folder), "--frames", frames])
    with pytest.raises(SystemExit, match=rf"^Error: .*{words}.*$"):
        main()
    assert capsys.readouterr().out == ""
