from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unetpipe.errors import InputError
from unetpipe.instances import TrainedOn
from unetpipe.instances.trained_on import (
    FAR,
    SCALES,
    describe_image,
    distance,
    doubt,
    image_detail,
    unlikeness,
)

FACTS = TrainedOn((80.0, 90.0, 100.0, 110.0, 120.0), (0.1, 0.4), ((0.1, 0.5),) * len(SCALES), 0.1)


def squares(*sides: int) -> np.ndarray:
    """Return squares beside each other."""
    labels = np.zeros((70, sum(sides) + 4 * len(sides)), np.int32)
    left = 2
    for number, side in enumerate(sides, 1):
        labels[2 : 2 + side, left : left + side] = number
        left += side + 4
    return labels


def sure(labels: np.ndarray, wrong: float = 0.01) -> np.ndarray:
    return np.where(labels > 0, 1 - wrong, 0.0).astype(np.float32)


def described(image: np.ndarray) -> list[float]:
    return describe_image(image, image_detail(image))


def test_what_is_like_the_training_is_not_mentioned() -> None:
    labels = squares(10, 9, 10)
    assert FACTS.misfits(sure(labels), labels) == []


@pytest.mark.parametrize(("scale", "count"), [(1.0, 1), (0.5, 0), (2.0, 2)])
def test_a_large_object_is_counted_at_the_scale_of_the_network(scale: float, count: int) -> None:
    labels = squares(10, 16)  # 100 and 256 pixels; the largest cell of the training has 120
    found = FACTS.misfits(sure(labels), labels, scale=scale)
    assert [sentence.split()[0] for sentence in found if "as large as any cell" in sentence] == [str(count)] * (
        count > 0
    )


def test_cells_of_another_size_are_mentioned() -> None:
    labels = squares(5, 5, 6, 5)
    (found,) = FACTS.misfits(sure(labels), labels)
    assert "smaller than nearly all" in found


def test_an_uncertain_network_is_mentioned() -> None:
    labels = squares(10, 10)
    (found,) = FACTS.misfits(sure(labels, wrong=0.3), labels)
    assert "3.0 times as uncertain" in found
    assert FACTS.misfits(sure(labels, wrong=0.12), labels) == []
    strange = np.random.default_rng(0).random((1, *labels.shape))  # only the finest detail
    (found,) = FACTS.misfits(sure(labels, wrong=0.12), labels, strange)
    assert "detail" in found


def test_detail_alone_is_mentioned_by_an_uncertain_model() -> None:
    labels = squares(10, 10)
    strange = np.random.default_rng(0).random((1, *labels.shape))  # only the finest detail
    assert FACTS.misfits(sure(labels), labels, strange) == []
    many = TrainedOn(FACTS.cell_areas, FACTS.foreground, FACTS.detail, 0.5)
    (found,) = many.misfits(sure(labels), labels, strange)
    assert found.startswith("The image's detail (noise, blur, size of structures) is unlike that of its training")
    like = TrainedOn(FACTS.cell_areas, FACTS.foreground, ((0.0, 1.0),) * len(SCALES), 0.5)
    assert like.misfits(sure(labels), labels, strange) == []


def test_an_image_unlike_all_of_the_training_is_mentioned_by_a_model_of_many_kinds() -> None:
    labels = squares(10, 10)
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(1, *labels.shape)), (0, 2, 2))
    rough = np.random.default_rng(0).normal(size=(1, *labels.shape))
    everything = ((0.0, 1.0),) * len(SCALES)  # ranges that hold smooth and rough images, and all between them
    kinds = tuple(tuple(described(image)) for image in (smooth, rough))
    many = TrainedOn(FACTS.cell_areas, FACTS.foreground, everything, 0.5, kinds)
    for image in (smooth, rough):
        assert many.misfits(sure(labels), labels, image) == []
    between = smooth / smooth.std() + rough / rough.std()
    (found,) = many.misfits(sure(labels), labels, between)
    assert found.startswith("The image's detail and grey values")
    assert "unlike those of any image of its training" in found


def test_a_gamma_takes_an_image_away_from_its_kind() -> None:
    image = np.random.default_rng(0).random((1, 64, 64))
    assert distance(described(image), [described(np.rot90(image, axes=(1, 2)))]) == pytest.approx(0, abs=1e-5)
    kinds = [described((image - image.mean()) / image.std())]
    bright = image**6
    assert distance(described((bright - bright.mean()) / bright.std()), kinds) > FAR


def test_nothing_found_is_mentioned_where_each_training_frame_had_cells() -> None:
    nothing = np.zeros((40, 40), np.int32)
    (found,) = FACTS.misfits(sure(nothing), nothing)
    assert found.startswith("No cell was found")
    may_be_empty = TrainedOn(FACTS.cell_areas, (0.0, 0.4), FACTS.detail, 0.1)
    assert may_be_empty.misfits(sure(nothing), nothing) == []


def test_values_are_read_as_they_were_written() -> None:
    assert TrainedOn.parse(FACTS.as_values()) == FACTS
    assert "kinds" not in FACTS.as_values()
    many = TrainedOn(
        FACTS.cell_areas, FACTS.foreground, FACTS.detail, 0.5, ((-1.0, 2.0, 0.0, 0.0, 0.0, -1.0, 0.0, 3.0),)
    )
    assert TrainedOn.parse(many.as_values()) == many
    assert TrainedOn.parse(None) is None


@pytest.mark.parametrize(
    "change",
    [
        {"cell_areas": [1, 2]},
        {"foreground": "$1"},
        {"doubt": "@x"},
        {"doubt": -1},
        {"detail": []},
        {"kinds": [[1, 2]]},
        {"kinds": ["$import os"]},
        {"_target_": "os.mkdir"},
    ],
)
def test_other_values_are_refused(change: dict) -> None:
    with pytest.raises(InputError, match="not what a training writes"):
        TrainedOn.parse({**FACTS.as_values(), **change})


def test_doubt_is_that_of_the_pixels_over_those_of_the_cells() -> None:
    probability = np.array([[0.9, 0.9, 0.4, 0.0]])
    assert doubt(probability, 1) == pytest.approx(0.6 / 2)
    assert doubt(probability, 10) == pytest.approx(0.06)


def test_detail_does_not_depend_on_brightness_and_contrast() -> None:
    image = np.random.default_rng(1).random((1, 64, 64))
    np.testing.assert_allclose(image_detail(3 * image + 5), image_detail(image), rtol=1e-4)
    assert image_detail(np.ones((1, 8, 8))) == [0.0] * len(SCALES)
    assert unlikeness([0.5, 0.2], [(0.1, 0.25), (0.4, 0.5)]) == 2.0


@pytest.mark.parametrize("shape", [(60, 90), (300, 260), (513, 700)])
@pytest.mark.parametrize("smooth", [0.0, 1.5, 6.0])
def test_detail_is_that_between_gaussians(shape: tuple[int, int], smooth: float) -> None:
    """Coarse detail of large images is measured on every second pixel, which changes it by little."""
    image = gaussian_filter(np.random.default_rng(0).normal(size=shape), smooth).astype(np.float32)
    blurred = [image, *(gaussian_filter(image, sigma) for sigma in SCALES)]
    expected = [(finer - coarser).std() / image.std() for finer, coarser in pairwise(blurred)]
    np.testing.assert_allclose(image_detail(image[None]), expected, rtol=0.05, atol=0.002)


@pytest.mark.parametrize(("share", "said"), [(0.0026, "0.26%"), (0.055, "6%"), (0.998, "100%")])
def test_the_least_share_of_cells_is_said(share: float, said: str) -> None:
    facts = replace(FACTS, foreground=(share, 1.0))
    found = facts.misfits(np.zeros((20, 20), np.float32), np.zeros((20, 20), np.int32))
    assert any(f"cells fill at least {said}; " in sentence for sentence in found)
