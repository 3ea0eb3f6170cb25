"""Images of another pixel size: scaled for the network, scaled back for the user."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from monai.inferers import SimpleInferer

from unetpipe.errors import InputError
from unetpipe.inferers import RescaleInferer, scale_factor


def test_factor_is_the_ratio_of_pixel_sizes():
    assert scale_factor(0.5, 0.25, rescale=True) == 2
    assert scale_factor(0.5, 0.25) == 1
    assert scale_factor(None, 0.25) == scale_factor(0.5, None) == 1


@pytest.mark.parametrize(("sizes", "whose"), [((None, 0.25), "images have"), ((0.5, None), "network was trained at")])
def test_nothing_is_rescaled_to_or_from_an_unknown_size(sizes: tuple, whose: str):
    with pytest.raises(InputError, match=whose):
        scale_factor(*sizes, rescale=True)


@pytest.mark.parametrize(("image", "warned"), [(0.5, False), (0.55, False), (0.7, True), (0.3, True)])
def test_a_quarter_of_difference_is_warned_of(image: float, warned: bool, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        scale_factor(image, 0.5)
    assert ("trained at 0.5" in caplog.text) is warned


def test_the_network_sees_the_scaled_image_and_the_user_the_original_size():
    seen = []

    def network(images: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(images.shape))
        return images

    image = torch.ones(1, 1, 30, 50)
    result = RescaleInferer(SimpleInferer(), 0.5)(image, network)
    assert seen == [(1, 1, 15, 25)]
    assert result.shape == image.shape
    assert torch.allclose(result, image)


def test_a_disc_keeps_its_place():
    y, x = np.ogrid[:60, :80]
    disc = torch.from_numpy(((y - 20) ** 2 + (x - 50) ** 2 <= 100).astype(np.float32))[None, None]
    result = RescaleInferer(SimpleInferer(), 2.0)(disc, lambda images: images)
    assert ((result > 0.5) != (disc > 0.5)).float().mean() < 0.005


def test_factor_one_is_the_inferer_itself():
    image = torch.randn(1, 1, 7, 9)
    assert RescaleInferer(SimpleInferer())(image, lambda images: images) is image


@pytest.mark.parametrize("size", [1000.0, 1e-9])
def test_a_pixel_size_in_another_unit_is_refused(size: float) -> None:
    with pytest.raises(InputError, match="in the unit of the model"):
        scale_factor(size, 0.65, rescale=True)
