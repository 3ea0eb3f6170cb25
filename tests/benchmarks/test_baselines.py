from __future__ import annotations

import numpy as np

from benchmarks.baselines import PREDICTORS, rarer


def test_rarer_side_is_the_object_whatever_the_contrast():
    image = np.full((20, 20), 10.0)
    image[2:9, 2:9] = 200
    for picture in (image, 255 - image):
        assert np.array_equal(rarer(picture) > 0, image > 100)


def test_constants():
    image = np.arange(400.0).reshape(20, 20)
    assert (PREDICTORS["everything"](image) == 1).all()
    assert not PREDICTORS["nothing"](image).any()
