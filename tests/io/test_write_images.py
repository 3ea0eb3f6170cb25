"""Images that are written are read as the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetpipe.io import count_pages, read_image
from unetpipe.io.images import write_image_pages


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_pages_and_channels_of_every_type(tmp_path: Path, dtype: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    for pages, height, width in ((1, 3, 4), (2, 7, 3), (3, 1, 2), (4, 20, 30)):
        array = (rng.random((pages, channels, height, width)) * 100).astype(dtype)
        path = tmp_path / "Größe 1.tif"
        write_image_pages(path, list(array))
        assert count_pages(path) == pages
        for page in range(pages):
            np.testing.assert_array_equal(read_image(path, page), array[page])
