"""Files of microscopes: which reader they need, and which page and channel is which."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetpipe.datasets import find_images
from unetpipe.datasets.pixels import read_pixels
from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image
from unetpipe.io.images import image_size

STACK = np.random.default_rng(0).integers(0, 60000, (2, 3, 4, 15, 17)).astype(np.uint16)  # (T, C, Z, Y, X)


class Dims(types.SimpleNamespace):
    """As bioio's: a length for each axis, and their order."""


class FakeImage:
    """What is used of bioio's image."""

    def __init__(self, path: Path) -> None:
        if b"damaged" in path.read_bytes():
            raise RuntimeError("no chunk\nand more")
        self.scenes = ("1", "2") if b"scenes" in path.read_bytes() else ("1",)
        self.array = STACK.astype(complex) if b"complex" in path.read_bytes() else STACK
        if b"colours" in path.read_bytes():
            self.array = np.stack([STACK[:, :1], STACK[:, 1:2]], -1)
        self.dtype = self.array.dtype
        order = "TCZYXS"[: self.array.ndim]
        self.dims = Dims(order=order, **dict(zip(order, self.array.shape, strict=True)))

    def get_image_dask_data(self, axes: str, **fixed: int) -> Any:
        indices = tuple(fixed.get(axis, slice(None)) for axis in self.dims.order)
        left = [axis for axis in self.dims.order if axis not in fixed]
        array = np.transpose(self.array[indices], [left.index(axis) for axis in axes])
        return types.SimpleNamespace(compute=lambda: array)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    exceptions = types.ModuleType("bioio_base.exceptions")
    exceptions.UnsupportedFileFormatError = type("UnsupportedFileFormatError", (Exception,), {})  # type: ignore[attr-defined]
    module = types.ModuleType("bioio")
    module.BioImage = FakeImage  # type: ignore[attr-defined]
    for name, fake in {
        "bioio": module,
        "bioio_base": types.ModuleType("x"),
        "bioio_base.exceptions": exceptions,
    }.items():
        monkeypatch.setitem(sys.modules, name, fake)


@pytest.mark.parametrize("suffix", [".nd2", ".czi", ".LIF"])
def test_without_a_reader_the_extra_is_named(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bioio", None)
    (tmp_path / f"a{suffix}").write_bytes(b"content")
    with pytest.raises(
        InputError, match=r'in a microscope.s own format: pip install "unetpipe\[bioio\]" reads it .* or'
    ):
        find_images(tmp_path)


@pytest.mark.parametrize("suffix", [".oib", ".vsi", ".lsm"])
def test_other_formats_name_a_converter(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"content")
    with pytest.raises(InputError, match="save it as OME-TIFF, as Fiji and bfconvert of Bio-Formats do"):
        read_image(tmp_path / f"a{suffix}")


def test_pages_are_times_and_slices(tmp_path: Path, reader: None) -> None:
    path = tmp_path / "a.nd2"
    path.write_bytes(b"content")
    assert count_pages(path) == 8
    assert image_size(path) == (15, 17)
    records = find_images(tmp_path, channel=2)
    for page, record in enumerate(records):
        expected = STACK[page // 4, :, page % 4]
        assert np.array_equal(read_image(path, page), expected)
        assert np.array_equal(read_pixels(record), expected[2:])


def test_colours_are_channels(tmp_path: Path, reader: None) -> None:
    path = tmp_path / "a.czi"
    path.write_bytes(b"colours")
    assert np.array_equal(read_image(path, 5), STACK[1, :2, 1])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"damaged", r"cannot be read as an image of a microscope \(no chunk\); is it complete\?$"),
        (b"scenes", "holds 2 images; save each as a separate OME-TIFF"),
        (b"complex", "holds complex128; pixels must be real numbers"),
    ],
)
def test_what_is_refused(content: bytes, said: str, tmp_path: Path, reader: None) -> None:
    (tmp_path / "a.lif").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.lif {said}"):
        read_image(tmp_path / "a.lif")


def test_a_real_czi(tmp_path: Path) -> None:
    """The writer comes with the reader."""
    pytest.importorskip("bioio")
    czi = pytest.importorskip("pylibCZIrw.czi")
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for time, channel, depth in np.ndindex(2, 3, 4):
            plane = {"T": time, "C": channel, "Z": depth}
            file.write(STACK[time, channel, depth][..., None], plane=plane)
    for page in range(count_pages(tmp_path / "a.czi")):
        assert np.array_equal(read_image(tmp_path / "a.czi", page), STACK[page // 4, :, page % 4])
