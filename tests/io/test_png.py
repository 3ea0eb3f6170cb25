"""PNG of every depth and kind of colour is read as another library reads it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.io import read_image


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depths_and_colours(dtype: type, channels: int, tmp_path: Path):
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (15, 17, channels), dtype).squeeze()
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(array))
    found = read_image(path)
    assert found.dtype == dtype
    assert np.array_equal(found, array[None] if channels == 1 else np.moveaxis(array, -1, 0)[:3])
    assert np.array_equal(imagecodecs.png_decode(path.read_bytes()), array)


def test_a_header_that_claims_the_absurd_is_refused(tmp_path: Path):
    Image.new("L", (17, 15)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", 500_000, 500_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png cannot be read as an image \(its header claims 250000000000 bytes"):
        read_image(tmp_path / "a.png")


def test_a_tiff_that_is_called_png_is_named(tmp_path: Path):
    Image.new("L", (17, 15)).save(tmp_path / "a.png", format="TIFF")
    with pytest.raises(InputError, match=r"a\.png cannot be read as an image \(it is a TIFF file; name it \.tif\)"):
        read_image(tmp_path / "a.png")
