"""One channel of several, grey as colours, and colours that are grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from unetpipe.datasets import find_images, find_records, survey
from unetpipe.datasets.pixels import read_for_network, read_pixels
from unetpipe.datasets.records import Record
from unetpipe.datasets.survey import check_images
from unetpipe.errors import InputError

GREY = np.random.default_rng(0).integers(0, 255, (20, 30)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grey image, the same in three equal channels, and one in colours; each with a mask."""
    colours = np.dstack([GREY, GREY // 2, GREY])
    for name, image in {"a": GREY, "b": np.dstack([GREY] * 3), "c": colours}.items():
        for part, pixels in (("images", image), ("masks", np.kron(np.eye(4, 6), np.ones((5, 5))).astype(np.uint8))):
            (tmp_path / part).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / part / f"{name}.png")
    return tmp_path


def test_what_networks_of_one_and_of_three_channels_take(folder: Path):
    grey, equal, colours = find_images(folder)
    assert np.array_equal(read_for_network(grey, 1), GREY[None])
    assert np.array_equal(read_for_network(equal, 1), GREY[None])
    assert np.array_equal(read_for_network(grey, 3), [GREY] * 3)
    assert np.array_equal(read_for_network(colours, 3), [GREY, GREY // 2, GREY])
    with pytest.raises(InputError, match=r"c\.png has 3 channel\(s\), the network takes 1; choose one .* --channel"):
        read_for_network(colours, 1)


def test_one_channel_is_chosen(folder: Path):
    assert np.array_equal(read_for_network(find_images(folder, 1)[2], 1), GREY[None] // 2)
    assert np.array_equal(read_pixels(find_records(folder, channel=2)[2]), GREY[None])
    with pytest.raises(InputError, match=r"a\.png has 1 channel\(s\), counted from 0; it has no channel 1\."):
        read_pixels(find_images(folder, 1)[0])


@pytest.mark.parametrize(("axes", "shape"), [("CYX", (3, 20, 30)), ("TCYX", (2, 3, 20, 30)), ("ZCYX", (2, 3, 20, 30))])
@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_a_channel_of_ome_and_imagej(kind: str, axes: str, shape: tuple[int, ...], tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": axes}, **{kind: True})
    stack = array.reshape(-1, 3, 20, 30)
    records = find_images(path, channel=2)
    assert len(records) == len(stack)
    assert all(np.array_equal(read_pixels(record), page[2:]) for record, page in zip(records, stack, strict=True))


def test_equal_channels_are_said(folder: Path, caplog: pytest.LogCaptureFixture):
    records = find_records(folder)
    assert survey(records, 3).warnings() == []
    (said,) = survey(records[:2], 1).warnings()
    assert said.startswith("In 1 of 2 images the three channels are equal, such as ")
    assert "b.png: they are grey" in said
    check_images(find_images(folder / "images" / "b.png"), 1)
    assert "In 1 of 1 images the three channels are equal" in caplog.text
    assert [frame.channels for frame in survey(records).frames] == [1, 1, 3]


def test_a_record_needs_no_channel(folder: Path):
    assert read_pixels(Record(image=str(folder / "images" / "c.png"))).shape == (3, 20, 30)


@pytest.mark.parametrize(
    "pixels",
    [GREY.astype(np.uint32) + 4_000_000_000, GREY.astype(np.int64) + 2**40, GREY / 1e3 + 1e6, GREY * 1e-300],
    ids=["uint32", "int64", "float64", "tiny"],
)
def test_grey_values_that_float32_cannot_tell_apart(pixels: np.ndarray, tmp_path: Path):
    """Else 255 grey values become one or two, and the mask shows it without a word."""
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(InputError, match=r"a\.tif has grey values that differ too little for their size"):
        read_for_network(Record(image=str(tmp_path / "a.tif")), 1)


@pytest.mark.parametrize(
    "pixels",
    [GREY.astype(np.uint32) * 16_000_000, GREY.astype(np.int64) + 2**20, GREY + 1e4, np.full((20, 30), 0.1)],
    ids=["uint32", "int64", "float64", "constant"],
)
def test_wide_types_are_read(pixels: np.ndarray, tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    assert np.array_equal(read_for_network(Record(image=str(tmp_path / "a.tif")), 1)[0], pixels)
