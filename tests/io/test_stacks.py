"""Files of several pages and deep colours: read page by page, and masks written as one file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import itk
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from unetpipe.datasets import find_images
from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image, read_labels, write_label_pages
from unetpipe.transforms import ReadImaged, SaveMasksd

PAGES = np.random.default_rng(0).integers(0, 65535, (3, 5, 7)).astype(np.uint16)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    write_label_pages(tmp_path / "stack.tif", list(PAGES))
    return tmp_path / "stack.tif"


def test_pages_read_back(stack: Path):
    assert count_pages(stack) == 3
    for page in range(3):
        read = read_image(stack, page)
        assert read.dtype == np.uint16
        assert np.array_equal(read, PAGES[page][None])
        assert np.array_equal(read_labels(stack, page), PAGES[page])
    assert np.array_equal(itk.array_from_image(itk.imread(str(stack))), PAGES)


@pytest.mark.parametrize("page", [3, -1])
def test_a_page_that_is_not_there(stack: Path, page: int):
    with pytest.raises(InputError, match=rf"stack\.tif has no page {page}; it has 3"):
        read_image(stack, page)


def test_pages_of_one_file_need_a_number(stack: Path):
    with pytest.raises(InputError, match="has 3 pages"):
        read_image(stack)


def test_bad_page_is_named(tmp_path: Path):
    pages = [Image.fromarray(np.full((4, 4), value, np.float32)) for value in (1.0, 0.5, np.nan)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert read_image(tmp_path / "a.tif", 1).dtype == np.float32
    with pytest.raises(InputError, match=r"a\.tif, page 2, holds pixels that are NaN"):
        read_image(tmp_path / "a.tif", 2)
    with pytest.raises(InputError, match=r"a\.tif, page 1, holds values that are not whole numbers"):
        read_labels(tmp_path / "a.tif", 1)


def write_deep_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, C), uint16: Pillow cannot."""
    kind = {2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(content)


def write_deep_tiff(path: Path, pages: np.ndarray) -> None:
    """Write (N, H, W, 3), uint16, as pages of an uncompressed little-endian TIFF."""
    _, height, width, _ = pages.shape
    content = struct.pack("<2sHI", b"II", 42, 8)
    for number, page in enumerate(pages):
        bits, strip = len(content) + 2 + 10 * 12 + 4, len(content) + 2 + 10 * 12 + 4 + 6
        tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2)]
        tags += [(273, 4, 1, strip), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, page.nbytes), (284, 3, 1, 1)]
        following = 0 if number == len(pages) - 1 else strip + page.nbytes
        content += struct.pack("<H", 10) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        content += struct.pack("<I3H", following, 16, 16, 16) + page.astype("<u2").tobytes()
    path.write_bytes(content)


@pytest.mark.parametrize("bands", [3, 4])
def test_deep_png_keeps_its_16_bits(tmp_path: Path, bands: int):
    colours = np.random.default_rng(0).integers(0, 65535, (5, 7, bands)).astype(np.uint16)
    write_deep_png(tmp_path / "a.png", colours)
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint16
    assert np.array_equal(read, np.moveaxis(colours[..., :3], -1, 0))


def test_deep_grey_keeps_its_16_bits_without_alpha(tmp_path: Path):
    grey = np.random.default_rng(0).integers(0, 65535, (5, 7, 2)).astype(np.uint16)
    write_deep_png(tmp_path / "a.png", grey)
    assert np.array_equal(read_image(tmp_path / "a.png"), grey[None, ..., 0])


@pytest.mark.parametrize("count", [1, 3])
def test_deep_colour_tiff_keeps_its_16_bits(tmp_path: Path, count: int):
    colours = np.random.default_rng(0).integers(0, 65535, (count, 5, 7, 3)).astype(np.uint16)
    write_deep_tiff(tmp_path / "a.tif", colours)
    assert count_pages(tmp_path / "a.tif") == count
    for page in range(count):
        assert np.array_equal(read_image(tmp_path / "a.tif", page), np.moveaxis(colours[page], -1, 0))


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 3), ("LA", 1), ("L", 1), ("P", 3), ("I;16", 1)])
def test_channels_of_a_png(tmp_path: Path, mode: str, channels: int):
    Image.new(mode, (7, 5)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (channels, 5, 7)


def test_masks_of_a_stack_are_one_file(stack: Path, tmp_path: Path):
    """Pages come one by one; nothing is written before the last."""
    write_label_pages(stack.parent / "other.tif", [PAGES[0]])
    save = SaveMasksd("pred", tmp_path / "out")
    records = find_images(stack.parent)
    assert [(record["mask_name"], record.get("page")) for record in records] == [
        ("other_mask.tif", None),
        *(("stack_mask.tif", page) for page in range(3)),
    ]
    for count, record in enumerate(records):
        item = ReadImaged("image")(record)
        item["pred"] = MetaTensor(torch.full((1, 5, 7), count)).copy_meta_from(item["image"])
        assert not (tmp_path / "out" / "stack_mask.tif").exists()
        save(item)
    masks = tmp_path / "out" / "stack_mask.tif"
    assert [np.unique(read_labels(masks, page)).tolist() for page in range(3)] == [[1], [2], [3]]
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [".segmented.jsonl", "other_mask.tif", "stack_mask.tif"]


def test_two_images_with_one_mask_name(tmp_path: Path):
    for name in ("a.png", "a.tif"):
        Image.new("L", (3, 3)).save(tmp_path / name)
    with pytest.raises(InputError, match=r"a\.png and .*a\.tif would both have the mask a_mask\.tif"):
        find_images(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.nii", "a.nii.gz"])
@pytest.mark.parametrize("keep", [0, 7, 60, 400])
def test_a_truncated_file_is_named(tmp_path: Path, name: str, keep: int):
    from unetpipe.io.nifti import nibabel

    path = tmp_path / name
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    if ".nii" in name:
        nibabel.save(nibabel.Nifti1Image(pixels[..., None], np.eye(4)), path)
    else:
        Image.fromarray(pixels).save(path, compression="tiff_lzw" if name == "a.tif" else None)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
