"""MNIST's files: by hand, broken, and the real digits."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from unetpipe.datasets import mnist
from unetpipe.errors import InputError
from unetpipe.io import read_image
from unetpipe.io.images import count_pages

PIXELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = struct.pack(">iiii", 0x803, 2, 3, 4) + PIXELS.tobytes()


@pytest.mark.parametrize(("name", "content"), [("a-images-idx3-ubyte", CONTENT), ("a-images.idx3-ubyte.gz", None)])
def test_images_are_pages(name: str, content: bytes | None, tmp_path: Path):
    (tmp_path / name).write_bytes(content or gzip.compress(CONTENT))
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(b"labels are left alone")
    records = mnist.records(tmp_path)
    assert [(record["page"], record["frame"], record["sequence"]) for record in records] == [(0, 0, "a"), (1, 1, "a")]
    assert count_pages(records[0]["image"]) == 2
    image = read_image(records[1]["image"], 1)
    assert image.dtype == np.uint8
    assert np.array_equal(image, PIXELS[1:])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a-images-idx3-ubyte", CONTENT[:-1], r"header says \(2, 3, 4\).*it holds 23"),
        ("a-images-idx3-ubyte", CONTENT[:7], "not a complete idx file"),
        ("a-images-idx3-ubyte", struct.pack(">iiii", 0x801, 2, 3, 4) + PIXELS.tobytes(), "0x00000801"),
        ("a-images-idx3-ubyte.gz", gzip.compress(CONTENT, mtime=0)[:-9], "cannot be decompressed"),
        ("a.png", b"", "holds no file of images"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(name: str, content: bytes, words: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        mnist.records(tmp_path)


def test_real_digits(real_data: Path):
    records = mnist.records(real_data / "mnist")
    assert len(records) == 10_000
    image = read_image(records[-1]["image"], records[-1]["page"])
    assert image.shape == (1, 28, 28)
    assert image.max() > 200
