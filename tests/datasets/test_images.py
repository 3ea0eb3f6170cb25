from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from unetpipe.datasets import find_images, mask_name
from unetpipe.errors import InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".txt"):
            (folder / name).write_text("")
        else:
            Image.new("L", (2, 2)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("t012.tif", "mask012.tif"),
        ("t1234.tiff", "mask1234.tif"),
        ("cells.png", "cells_mask.tif"),
        ("cells.tif", "cells_mask.tif"),
        ("well.A1.tif", "well.A1_mask.tif"),
        ("t12.tif", "t12_mask.tif"),
        ("art012.tif", "art012_mask.tif"),
        ("t012.png", "t012_mask.tif"),
    ],
)
def test_mask_is_named_after_the_image(image: str, mask: str) -> None:
    assert mask_name(image) == mask


def test_single_file(tmp_path: Path) -> None:
    touch(tmp_path, "cells.png")
    assert find_images(tmp_path / "cells.png") == [
        {"image": str(tmp_path / "cells.png"), "mask_name": "cells_mask.tif"}
    ]


def test_folder_of_images_in_order_of_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.tif", "c.TIFF", "t003.tif", "notes.txt", "deeper/d.tif")
    (tmp_path / "folder.tif").mkdir()
    found = find_images(tmp_path)
    assert [Path(record["image"]).name for record in found] == ["a.tif", "b.png", "c.TIFF", "t003.tif"]
    assert [record["mask_name"] for record in found] == ["a_mask.tif", "b_mask.tif", "c_mask.tif", "mask003.tif"]


def test_ctc_set_gives_the_images_of_all_sequences(tmp_path: Path) -> None:
    touch(tmp_path, "02/t000.tif", "01/t001.tif", "01/t000.tif", "01_GT/SEG/man_seg000.tif", "01_RES/mask000.tif")
    found = find_images(tmp_path)
    assert [Path(record["image"]).relative_to(tmp_path).as_posix() for record in found] == [
        "01/t000.tif",
        "01/t001.tif",
        "02/t000.tif",
    ]
    assert [record["mask_name"] for record in found] == [
        "01_RES/mask000.tif",
        "01_RES/mask001.tif",
        "02_RES/mask000.tif",
    ]


def test_one_sequence_folder_gives_bare_mask_names(synthetic: Path) -> None:
    found = find_images(synthetic / "01")
    assert [record["mask_name"] for record in found] == ["mask000.tif", "mask001.tif", "mask002.tif"]
    assert len(find_images(synthetic)) == 6


def test_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        find_images(tmp_path / "nowhere")


@pytest.mark.parametrize("names", [(), ("notes.txt",), ("01/notes.txt",), ("deeper/a.tif",)])
def test_folder_without_images_is_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=rf"{tmp_path.name} holds no image .*\*\.tif.*\*\.png"):
        find_images(touch(tmp_path, *names))


def test_images_of_other_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\); save a\.jpg and others like it as PNG or TIFF\.$"):
        find_images(touch(tmp_path, "b.bmp", "a.jpg", "README.txt"))


def test_what_is_no_picture_is_not_to_be_saved_as_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no image \([^()]*\)\.$"):
        find_images(touch(tmp_path, "README.txt"))
