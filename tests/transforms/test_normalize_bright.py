from __future__ import annotations

import numpy as np
import pytest
import torch

from unetpipe.transforms import NormalizeBrightd


@pytest.mark.parametrize("channels", [1, 3])
def test_dark_objects_turn_bright_bright_ones_stay(channels: int):
    image = np.zeros((channels, 20, 20), np.float32)
    image[:, 3:8, 3:8] = 50
    normalize = NormalizeBrightd("image", channel_wise=True)
    bright = torch.as_tensor(normalize({"image": torch.from_numpy(image)})["image"])
    dark = torch.as_tensor(normalize({"image": torch.from_numpy(255 - image)})["image"])
    assert torch.allclose(torch.sinh(bright) / 3, torch.sinh(dark) / 3, atol=1e-4)  # as they were before asinh(3 v)
    assert float(bright[0, 4, 4]) > float(bright[0, 15, 15])
    assert float(torch.sinh(bright).mean()) == pytest.approx(0, abs=1e-5)


def test_bright_objects_do_not_outshine_dim_ones():
    """Grey values of 1 and 10 deviations from the mean; 3 and 30 before asinh."""
    image = np.zeros((1, 50, 50), np.float32)
    image[:, 0, 0], image[:, 10, 10] = 10, 1
    values = NormalizeBrightd("image", subtrahend=[0], divisor=[1], channel_wise=True)(
        {"image": torch.from_numpy(image)}
    )
    compressed = torch.as_tensor(values["image"])[0]
    assert float(compressed[0, 0]) == pytest.approx(np.arcsinh(30))
    assert float(compressed[10, 10]) == pytest.approx(np.arcsinh(3))
    assert float(compressed[20, 20]) == 0
