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
    bright = normalize({"image": torch.from_numpy(image)})["image"]
    dark = normalize({"image": torch.from_numpy(255 - image)})["image"]
    assert torch.allclose(torch.as_tensor(bright), torch.as_tensor(dark), atol=1e-4)
    assert float(bright[0, 4, 4]) > float(bright[0, 15, 15])
    assert float(bright.mean()) == pytest.approx(0, abs=1e-5)
