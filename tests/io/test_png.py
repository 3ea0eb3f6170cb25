"""PNG of every depth and kind of colour is read as another library reads it."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from unetpipe.errors import InputError
from unetpipe.io import read_image
from unetpipe.io.images import read_labels


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
    with pytest.raises(InputError, match=r"a\.png is a TIFF file; name it \.tif\.$"):
        read_image(tmp_path / "a.png")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(path: Path, size: tuple[int, int], depth: int, colour: int, rows: list[bytes], between: bytes = b"") -> Path:
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", header), between, chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_grey_values_of_2_and_4_bits_are_the_stored_numbers(tmp_path: Path):
    two = png(tmp_path / "two.png", (2, 4), 2, 0, [b"\x1b", b"\xc0"])
    four = png(tmp_path / "four.png", (2, 2), 4, 0, [b"\x12", b"\xf0"])
    assert read_labels(two).tolist() == [[0, 1, 2, 3], [3, 0, 0, 0]]
    assert read_labels(four).tolist() == read_image(four)[0].tolist() == [[1, 2], [15, 0]]


@pytest.mark.parametrize(("colour", "samples"), [(2, 3), (4, 2)])
def test_16_bit_colours_have_no_alpha(colour: int, samples: int, tmp_path: Path):
    array = np.arange(2 * 3 * samples, dtype=np.uint16).reshape(2, 3, samples) * 999
    transparent = chunk(b"tRNS", array[0, 0].astype(">u2").tobytes()) if samples == 3 else b""
    path = png(tmp_path / "a.png", (2, 3), 16, colour, [row.astype(">u2").tobytes() for row in array], transparent)
    assert np.array_equal(read_image(path), np.moveaxis(array, -1, 0)[: 3 if samples == 3 else 1])


def test_rows_that_are_missing_are_not_taken_for_0(tmp_path: Path):
    whole = png(tmp_path / "whole.png", (3, 2), 8, 0, [b"\1\2", b"\3\4", b"\0\0"])
    assert read_image(whole)[0].tolist() == [[1, 2], [3, 4], [0, 0]]
    short = png(tmp_path / "short.png", (3, 2), 8, 0, [b"\1\2", b"\3\4"])
    with pytest.raises(InputError, match=r"short\.png cannot be read .* claims 9 bytes, it holds 6\); is it complete"):
        read_image(short)


def test_rows_that_a_palette_image_lacks_are_not_its_first_colour(tmp_path: Path):
    palette = chunk(b"PLTE", bytes([9, 8, 7, 6, 5, 4]))
    whole = png(tmp_path / "whole.png", (3, 2), 8, 3, [b"\1\0", b"\0\1", b"\0\0"], palette)
    assert read_image(whole)[0].tolist() == [[6, 9], [9, 6], [9, 9]]
    short = png(tmp_path / "short.png", (3, 2), 8, 3, [b"\1\0", b"\0\1"], palette)
    with pytest.raises(InputError, match=r"short\.png cannot be read .* claims 9 bytes, it holds 6\)"):
        read_image(short)


def test_pixels_beyond_what_the_header_says_are_not_unpacked(tmp_path: Path):
    path = png(tmp_path / "a.png", (1, 2), 8, 0, [bytes(2**25)])
    tracemalloc.start()
    try:
        assert read_image(path)[0].tolist() == [[0, 0]]
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_changed_pixel_is_found_by_the_check_sum(tmp_path: Path):
    path = png(tmp_path / "a.png", (3, 2), 8, 0, [b"\1\2", b"\3\4", b"\5\6"])
    content = bytearray(path.read_bytes())
    place = content.index(b"IDAT") + 8
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png cannot be read as an image"):
        read_image(path)


def test_long_text_beside_the_pixels_is_no_bomb(tmp_path: Path):
    text = PngImagePlugin.PngInfo()
    text.add_text("settings", "x" * 2**21, zip=True)
    Image.new("L", (3, 2), 7).save(tmp_path / "a.png", pnginfo=text)
    assert (read_image(tmp_path / "a.png") == 7).all()


def test_a_png_cut_off_in_its_last_check_sum_is_one_plain_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)
    path.write_bytes(path.read_bytes()[:-14])  # the end, and half of the checksum before it
    with pytest.raises(InputError, match=r"truncated\); is it complete"):
        read_image(path)
