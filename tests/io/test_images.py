from __future__ import annotations

import errno
import os
from pathlib import Path

import itk
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.io import read_image, read_labels, write_labels
from unetpipe.transforms import ReadImaged, SaveMasksd


def random_pixels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(np.iinfo(dtype).max + 1, size=shape).astype(dtype)


def save(path: Path, array: np.ndarray, **options) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", ["cells.tif", "cells.tiff", "cells.png", "CELLS.TIF"])
def test_image_is_read_as_channel_height_width(tmp_path: Path, name: str, dtype: type) -> None:
    pixels = random_pixels(5, 9, dtype=dtype)
    image = read_image(save(tmp_path / name, pixels))
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, pixels[None])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compressed_tiff_is_read(tmp_path: Path, compression: str, dtype: type) -> None:
    pixels = random_pixels(11, 6, dtype=dtype)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.tif", pixels, compression=compression)), pixels[None])


@pytest.mark.parametrize("suffix", ["tif", "png"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colour_is_read_as_channels(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = random_pixels(5, 9, channels)
    colours = np.moveaxis(pixels[..., :3], -1, 0)  # an alpha channel says nothing of the specimen
    np.testing.assert_array_equal(read_image(save(tmp_path / f"a.{suffix}", pixels)), colours)


def test_palette_is_read_as_its_colours(tmp_path: Path) -> None:
    picture = Image.new("P", (3, 2))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((2, 1), 1)
    picture.save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (3, 2, 3)
    assert image[:, 0, 0].tolist() == [10, 20, 30]
    assert image[:, 1, 2].tolist() == [40, 50, 60]


def test_one_bit_is_read_as_bool(tmp_path: Path) -> None:
    pixels = random_pixels(5, 9) > 100
    image = read_image(save(tmp_path / "a.png", pixels))
    assert image.dtype == bool
    np.testing.assert_array_equal(image[0], pixels)


def test_float_tiff_is_read_unless_it_holds_nan(tmp_path: Path) -> None:
    pixels = random_pixels(5, 9).astype(np.float32) / 7
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.tif", pixels))[0], pixels)
    for bad in (np.nan, np.inf):
        pixels[2, 3] = bad
        with pytest.raises(InputError, match=r"b\.tif.*NaN"):
            read_image(save(tmp_path / "b.tif", pixels))


def test_several_pages_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(random_pixels(5, 9)) for _ in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"stack\.tif has 3 pages"):
        read_image(tmp_path / "stack.tif")


def test_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.tif", tmp_path):
        with pytest.raises(InputError, match=path.name):
            read_image(path)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"II*\x00garbage", b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("name", ["bad.tif", "bad.png"])
def test_corrupt_file_is_named_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("name", "options"), [("a.png", {}), ("a.tif", {}), ("a.tif", {"compression": "tiff_lzw"})])
def test_truncated_file_is_named(tmp_path: Path, name: str, options: dict, share: float) -> None:
    path = save(tmp_path / name, random_pixels(64, 96), **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        read_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_labels_are_read_as_int32(tmp_path: Path, dtype: type) -> None:
    pixels = random_pixels(5, 9).astype(dtype)
    labels = read_labels(save(tmp_path / "a.tif", pixels))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, pixels)


@pytest.mark.parametrize(
    ("pixels", "match"),
    [
        (np.arange(60, dtype=np.uint8).reshape(4, 5, 3), "3 channels"),
        (np.full((4, 5), 0.5, np.float32), "whole numbers"),
        (np.full((4, 5), -1, np.int32), "negative"),
        (np.full((4, 5), -1, np.float32), "negative"),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path: Path, pixels: np.ndarray, match: str) -> None:
    with pytest.raises(InputError, match=rf"a\.tif.*{match}"):
        read_labels(save(tmp_path / "a.tif", pixels))


def test_written_labels_read_alike_everywhere(tmp_path: Path) -> None:
    """Asymmetric and not square: a transpose would show."""
    labels = np.zeros((6, 11), np.int32)
    labels[0, 10], labels[5, 0], labels[1, 2:5] = 65535, 256, 1
    path = tmp_path / "new" / "folder" / "mask000.tif"
    write_labels(path, labels)
    with Image.open(path) as picture:
        assert picture.mode == "I;16"
        by_pillow = np.array(picture)
    by_itk = itk.array_from_image(itk.imread(str(path)))
    for found in (by_pillow, by_itk, read_labels(path)):
        np.testing.assert_array_equal(found, labels)
    assert by_pillow.dtype == by_itk.dtype == np.uint16
    assert [found.name for found in path.parent.iterdir()] == ["mask000.tif"]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.int32, np.int64])
def test_labels_of_any_integer_type_are_written(tmp_path: Path, dtype: type) -> None:
    labels = (random_pixels(4, 7) % 2).astype(dtype)
    write_labels(tmp_path / "a.tif", labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), labels)


def test_writing_replaces_the_file(tmp_path: Path) -> None:
    for number in (3, 4):
        write_labels(tmp_path / "a.tif", np.full((2, 3), number))
    assert (read_labels(tmp_path / "a.tif") == 4).all()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [65536, -1, 2**40])
def test_ids_beyond_16_bit_are_refused_and_nothing_is_written(tmp_path: Path, number: int) -> None:
    with pytest.raises(InputError, match=r"a\.tif.*65535"):
        write_labels(tmp_path / "a.tif", np.array([[0, number]]))
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/a\.tif cannot be written"):
        write_labels(tmp_path / "file" / "a.tif", np.zeros((2, 3), int))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_failed_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.tif").mkdir()  # a folder stands under the file's name
    with pytest.raises(InputError, match=r"a\.tif cannot be written"):
        write_labels(tmp_path / "a.tif", np.zeros((2, 3), int))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert not list((tmp_path / "a.tif").iterdir())


def test_old_file_survives_a_failed_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labels(tmp_path / "a.tif", np.full((2, 3), 5))

    def disk_full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(InputError, match="No space left"):
        write_labels(tmp_path / "a.tif", np.full((2, 3), 6))
    assert (read_labels(tmp_path / "a.tif") == 5).all()
    assert len(list(tmp_path.iterdir())) == 1


def test_image_transform_gives_a_float_metatensor(tmp_path: Path) -> None:
    pixels = random_pixels(5, 9, dtype=np.uint16)
    item = {"image": save(tmp_path / "t007.tif", pixels), "other": 1}
    result = ReadImaged("image")(item)
    assert isinstance(result["image"], MetaTensor)
    assert result["image"].dtype == torch.float32
    np.testing.assert_array_equal(result["image"].numpy(), pixels[None])
    assert result["image"].meta["filename_or_obj"] == str(tmp_path / "t007.tif")
    assert result["image"].meta["mask_name"] == "mask007.tif"
    assert result["other"] == 1
    named = ReadImaged("image")({**item, "mask_name": "01_RES/mask007.tif"})
    assert named["image"].meta["mask_name"] == "01_RES/mask007.tif"


def test_image_transform_counts_channels(tmp_path: Path) -> None:
    path = save(tmp_path / "colour.png", random_pixels(5, 9, 3))
    assert ReadImaged("image", channels=3)({"image": path})["image"].shape == (3, 5, 9)
    with pytest.raises(InputError, match=r"colour\.png has 3 channel.*in_channels=3"):
        ReadImaged("image", channels=1)({"image": path})


def test_mask_transform_writes_under_the_mask_name(tmp_path: Path) -> None:
    labels = torch.arange(40, dtype=torch.int32).reshape(1, 5, 8)
    item = {"pred": MetaTensor(labels, meta={"mask_name": "01_RES/mask003.tif"})}
    result = SaveMasksd("pred", tmp_path / "out")(item)
    assert result["pred"] is item["pred"]
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "01_RES" / "mask003.tif"), labels[0].numpy())


@pytest.mark.parametrize("dtype", [np.uint32, np.float32])
def test_ids_beyond_31_bits_are_refused(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / "stack.npy"
    np.save(path, np.array([[[0, 2**31 - 256]], [[0, 2**31]]], dtype))
    assert read_labels(path, 0).tolist() == [[0, 2**31 - 256]]
    with pytest.raises(InputError, match=r"page 1, holds the value 2147483648; cell ids are at most 2147483647"):
        read_labels(path, 1)
