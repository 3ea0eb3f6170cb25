"""Paired folders: which files belong together, and what the values of their masks mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import components, decide_masks, find_images, find_records, pair_files, read_truth
from unetpipe.datasets.paired_folders import IMAGE_FOLDERS, MASK_FOLDERS
from unetpipe.errors import InputError
from unetpipe.io import write_label_pages

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8)
TWO_SQUARES = np.zeros((6, 8), np.uint8)
TWO_SQUARES[1:3, 1:3] = 255
TWO_SQUARES[4:6, 5:8] = 255


def write(root: Path, images: dict[str, np.ndarray], masks: dict[str, np.ndarray]) -> Path:
    for folder, files in (("images", images), ("masks", masks)):
        (root / folder).mkdir(exist_ok=True)
        for name, pixels in files.items():
            Image.fromarray(pixels).save(root / folder / name)
    return root


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.png", "a.png"),
        ("a.png", "a.tif"),
        ("a.tiff", "a_mask.png"),
        ("a.png", "mask_a.png"),
        ("a.png", "label-a.png"),
        ("a_image.png", "a_gt.png"),
        ("img_7.png", "labels_7.png"),
        ("A_Image.PNG", "A_Mask.PNG"),
        ("mask.png", "mask.png"),
    ],
)
def test_names_that_belong_together(tmp_path: Path, image: str, mask: str):
    (record,) = find_records(write(tmp_path, {image: RAMP}, {mask: TWO_SQUARES}))
    assert Path(record["image"]).name == image
    assert Path(record["label"]).name == mask


@pytest.mark.parametrize("images", IMAGE_FOLDERS)
@pytest.mark.parametrize("masks", [*MASK_FOLDERS, "Masks"])
def test_names_of_the_folders(tmp_path: Path, images: str, masks: str):
    write(tmp_path, {"a.png": RAMP}, {"a.png": TWO_SQUARES})
    (tmp_path / "images").rename(tmp_path / "i")
    (tmp_path / "i").rename(tmp_path / images)
    (tmp_path / "masks").rename(tmp_path / "m")
    (tmp_path / "m").rename(tmp_path / masks)
    assert len(find_records(tmp_path)) == 1


def test_single_images_are_one_sequence_by_name(tmp_path: Path):
    names = ("c.png", "a.png", "b.png")
    records = find_records(write(tmp_path, dict.fromkeys(names, RAMP), dict.fromkeys(names, TWO_SQUARES)))
    assert [Path(record["image"]).name for record in records] == ["a.png", "b.png", "c.png"]
    assert [record["frame"] for record in records] == [0, 1, 2]
    assert {record["sequence"] for record in records} == {"images"}


def test_multi_page_files_are_sequences_of_their_own(tmp_path: Path):
    write(tmp_path, {"a.png": RAMP}, {"a.png": TWO_SQUARES})
    for plate, pages in (("plate1", 3), ("plate2", 2)):
        write_label_pages(tmp_path / "images" / f"{plate}.tif", [RAMP + page for page in range(pages)])
        write_label_pages(tmp_path / "masks" / f"{plate}.tif", [TWO_SQUARES] * pages)
    places = [(record["sequence"], record["frame"], record.get("page")) for record in find_records(tmp_path)]
    expected = [("images", 0, None), ("plate1", 0, 0), ("plate1", 1, 1), ("plate1", 2, 2)]
    assert places == [*expected, ("plate2", 0, 0), ("plate2", 1, 1)]
    assert len({record["mask_name"] for record in find_records(tmp_path)}) == 6


def test_an_image_without_a_mask_is_left_out(tmp_path: Path):
    write(tmp_path, {"a.png": RAMP, "b.png": RAMP}, {"a.png": TWO_SQUARES})
    assert [Path(record["image"]).name for record in find_records(tmp_path)] == ["a.png"]
    assert pair_files(tmp_path).images_alone == [tmp_path / "images" / "b.png"]
    assert len(find_images(tmp_path)) == 2  # it is segmented all the same


@pytest.mark.parametrize(
    ("images", "masks", "sentence"),
    [
        (["a.png"], ["a.png", "b.png"], r"masks/b\.png has no image"),
        (["a.png"], [], r"No image in .* has a mask"),
        (["a.png", "a.tif"], ["a.png"], r"a\.png and .*a\.tif have one name"),
        (["a.png"], ["a.png", "a_mask.png"], r"a\.png and .*a_mask\.png have one name"),
    ],
)
def test_files_that_do_not_match(tmp_path: Path, images: list[str], masks: list[str], sentence: str):
    write(tmp_path, dict.fromkeys(images, RAMP), dict.fromkeys(masks, TWO_SQUARES))
    with pytest.raises(InputError, match=sentence):
        find_records(tmp_path)


def test_masks_of_other_kinds_are_named(tmp_path: Path):
    write(tmp_path, {"a.png": RAMP}, {})
    (tmp_path / "masks").mkdir(exist_ok=True)
    (tmp_path / "masks" / "a.jpg").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"has a mask; .*; the folder of masks holds files that are not read, such as a\.jpg"
    ):
        find_records(tmp_path)


@pytest.mark.parametrize("name", ["a.jpg", "day 1"])
def test_images_of_other_kinds_or_in_deeper_folders_are_named(name: str, tmp_path: Path):
    write(tmp_path, {}, {})
    (tmp_path / "masks").mkdir(exist_ok=True)
    (tmp_path / "images" / name).mkdir(parents=True)
    with pytest.raises(
        InputError, match=rf"has a mask; .*; the folder of images holds files that are not read, such as {name}"
    ):
        find_records(tmp_path)


def test_two_folders_of_masks_are_ambiguous(tmp_path: Path):
    write(tmp_path, {"a.png": RAMP}, {"a.png": TWO_SQUARES})
    (tmp_path / "labels").mkdir()
    with pytest.raises(InputError, match="folders labels and masks; keep one"):
        find_records(tmp_path)


def test_another_number_of_pages(tmp_path: Path):
    write(tmp_path, {"a.png": RAMP}, {"a.png": TWO_SQUARES})
    write_label_pages(tmp_path / "images" / "b.tif", [RAMP] * 3)
    write_label_pages(tmp_path / "masks" / "b.tif", [TWO_SQUARES] * 2)
    with pytest.raises(InputError, match=r"b\.tif has 2 page.* has 3"):
        find_records(tmp_path)


def test_one_value_means_components(tmp_path: Path):
    (record,) = find_records(write(tmp_path, {"a.png": RAMP}, {"a.png": TWO_SQUARES}))
    assert record["masks"] == "binary"
    label, known = read_truth(record)
    assert known.all()
    assert np.array_equal(label, (TWO_SQUARES > 0) * np.where(np.arange(6) < 3, 1, 2)[:, None])


def test_divided_regions_mean_classes(tmp_path: Path):
    classes = TWO_SQUARES // 255
    classes[1:3, 5:7] = 2
    classes[4:6, 0:2] = 2
    write(tmp_path, {"a.png": RAMP}, {"a.png": classes})
    (record,) = find_records(tmp_path)
    assert record["masks"] == "classes"
    assert np.unique(read_truth(record)[0]).tolist() == [0, 1, 2, 3, 4]
    (chosen,) = find_records(tmp_path, masks="instances")
    assert np.unique(read_truth(chosen)[0]).tolist() == [0, 1, 2]


def test_whole_regions_mean_instances(tmp_path: Path):
    instances = np.zeros((6, 8), np.uint16)
    instances[1:3, 1:3] = 7
    instances[3:5, 1:3] = 40000
    instances[4:6, 5:8] = 9
    (record,) = find_records(write(tmp_path, {"a.png": RAMP}, {"a.png": instances}))
    assert record["masks"] == "instances"
    assert np.array_equal(read_truth(record)[0], instances)


def test_decision_counts_corners_as_contact_and_takes_any_id():
    corner = np.array([[5, 0, 2**30], [0, 5, 2**30]], np.int32)
    assert decide_masks([corner]) == "instances"
    assert components(corner).max() == 3  # 4-connected


def test_unknown_choice_of_masks(tmp_path: Path):
    write(tmp_path, {"a.png": RAMP}, {"a.png": TWO_SQUARES})
    with pytest.raises(InputError, match="masks='cells' is not known"):
        find_records(tmp_path, masks="cells")


def test_palette_and_grey_colour_masks(tmp_path: Path):
    write(tmp_path, {"a.png": RAMP, "b.png": RAMP}, {"b.png": np.stack([TWO_SQUARES] * 3, -1)})
    palette = Image.fromarray(TWO_SQUARES // 255, mode="P")
    palette.putpalette([0, 0, 0, 200, 10, 10])
    palette.save(tmp_path / "masks" / "a.png")
    for record in find_records(tmp_path):
        assert np.array_equal(read_truth(record)[0] > 0, TWO_SQUARES > 0)


def test_masks_named_after_images_with_a_word_of_their_own(tmp_path: Path) -> None:
    """img_07.png has the mask img_07_mask.png, as many tools write it."""
    for folder, name in (
        ("images", "img_07.png"),
        ("masks", "img_07_mask.png"),
        ("images", "b.png"),
        ("masks", "b.png"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("L", (4, 3)).save(tmp_path / folder / name)
    pairs = pair_files(tmp_path)
    assert {(image.name, mask.name) for image, mask in pairs.pairs} == {
        ("b.png", "b.png"),
        ("img_07.png", "img_07_mask.png"),
    }
    assert not pairs.images_alone
    assert not pairs.masks_alone
