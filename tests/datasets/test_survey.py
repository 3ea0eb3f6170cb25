"""Every file read once: what it says, and what is wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import check_images, find_images, find_records, survey
from unetpipe.datasets.survey import Survey, cell_contrasts
from unetpipe.errors import InputError
from unetpipe.io import read_labels, write_label_pages, write_labels

LABEL = np.zeros((6, 8), np.uint8)
LABEL[0:2, 0:3], LABEL[2:4, 0:3], LABEL[5, 5:8] = 1, 2, 3
RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for folder, pixels in (("images", RAMP), ("masks", LABEL)):
        (tmp_path / folder).mkdir()
        for name in "abc":
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.tif")
    return tmp_path


def complaints(folder: Path, channels: int | None = None) -> list[str]:
    found: list[str] = []
    survey(find_records(folder, complain=found.append), channels, found.append)
    assert not any("\n" in text for text in found)
    return found


def test_facts(pairs: Path):
    found = survey(find_records(pairs))
    assert sorted(found.areas.tolist()) == [3, 3, 3, 6, 6, 6, 6, 6, 6]
    assert found.touching == pytest.approx(2 / 3)
    assert found.unknown == 0
    frame = found.frames[1]
    assert (frame.shape, frame.dtype, frame.lowest, frame.highest) == ((1, 6, 8), "uint8", 0, 47)
    assert frame.touching == 2


def test_unknown_pixels_count(synthetic: Path, tmp_path: Path):
    records = find_records(synthetic)
    kept = np.array(Image.open(records[0]["label"]))
    kept[kept == kept.max()] = 0
    write_label_pages(tmp_path / "label.tif", [kept])
    found = survey([{**records[0], "label": str(tmp_path / "label.tif")}])
    assert 0 < found.frames[0].unknown == found.unknown < 0.3


def test_contrasts_leave_out_unknown_ground() -> None:
    """Ground 2, a pixel of unknown 100; cells of 4 and of 0 differ by 2 from the ground."""
    image = np.array([[[2, 2, 2, 100, 4, 4, 0, 0]]], np.float32)
    label = np.array([[0, 0, 0, 0, 3, 3, 8, 8]])
    contrasts = cell_contrasts(image, label, image[0] < 100)
    assert contrasts == pytest.approx([2 / image.std()] * 2)
    assert cell_contrasts(image, label + 1, image[0] < 100).tolist() == [0, 0, 0]  # no ground


@pytest.mark.parametrize(("bright", "dim"), [(250, 6), (24, 0)])
def test_dim_cells_count_where_others_are_bright(tmp_path: Path, bright: int, dim: int) -> None:
    """Of each image's two cells one is hardly brighter than the ground."""
    pixels, mask = np.full((2, 40, 40), 20, np.uint8) * [[[1]], [[0]]]
    pixels[2:6, 2:6], pixels[20:24, 20:24] = bright, 22
    mask[2:6, 2:6], mask[20:24, 20:24] = 1, 2
    for folder, array in (("images", pixels), ("masks", mask)):
        (tmp_path / folder).mkdir()
        for name in "abcdef":
            Image.fromarray(array.astype(np.uint8)).save(tmp_path / folder / f"{name}.png")
    assert survey(find_records(tmp_path)).dim == dim


def test_everything_wrong_is_named(pairs: Path):
    Image.fromarray(RAMP[:4]).save(pairs / "images" / "a.tif")
    Image.fromarray(LABEL - np.float32(0.5)).save(pairs / "masks" / "b.tif")
    Image.fromarray(np.full((6, 8), 9, np.uint8)).save(pairs / "images" / "c.tif")
    size, floats, constant = complaints(pairs)
    assert "a.tif is 6×8 pixels (height × width), its image is 4×8" in size
    assert "b.tif holds values that are not whole numbers" in floats
    assert "c.tif is constant" in constant


def test_negative_labels(pairs: Path):
    Image.fromarray(LABEL.astype(np.int32) - 1).save(pairs / "masks" / "b.tif")
    (text,) = complaints(pairs)
    assert "b.tif holds negative values" in text


def test_channels_that_do_not_fit(pairs: Path):
    Image.fromarray(np.stack([RAMP, RAMP + 1, RAMP], -1)).save(pairs / "images" / "b.tif")
    (text,) = complaints(pairs, channels=1)
    assert "b.tif has 3 channel(s)" in text


def test_an_empty_page_is_nothing_unusual_an_empty_file_is(tmp_path: Path):
    write_label_pages(tmp_path / "a.tif", [np.zeros((6, 8), int), RAMP])
    check_images(find_images(tmp_path))
    write_label_pages(tmp_path / "b.tif", [np.zeros((6, 8), int)] * 2)
    with pytest.raises(InputError, match=r"b\.tif is constant"):
        check_images(find_images(tmp_path))


def masks_of(folder: Path, mask: np.ndarray) -> Survey:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for name in "abc":
        noise = np.random.default_rng(0).integers(0, 255, mask.shape)
        Image.fromarray(noise.astype(np.uint8)).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / f"{name}.png")
    return survey(find_records(folder))


def test_masks_that_hardly_mean_what_was_meant(tmp_path: Path) -> None:
    cells = np.zeros((48, 64), np.uint8)
    cells[4:16, 4:16] = cells[24:36, 30:42] = 255
    assert masks_of(tmp_path / "right", cells).warnings() == []
    ilastik = masks_of(tmp_path / "ilastik", (cells > 0) + 1).warnings()
    assert any("No pixel of any mask is 0" in said for said in ilastik)
    (inverted,) = masks_of(tmp_path / "inverted", 255 - cells).warnings()
    assert "In 3 of 3 masks one cell covers more than half" in inverted
    specks = np.zeros_like(cells)
    specks[::6, ::6] = 255
    (tiny,) = masks_of(tmp_path / "specks", specks).warnings()
    assert tiny.startswith("The median cell has only 1 pixels")


def test_masks_of_one_value_among_numbered_ones(tmp_path: Path) -> None:
    """The cells of such a mask count as one, which is said; the set as a whole is taken as numbered."""
    cells = np.zeros((48, 64), np.uint8)
    for number, (row, column) in enumerate(((4, 4), (4, 30), (24, 4), (24, 30)), start=1):
        cells[row : row + 12, column : column + 12] = number
    assert masks_of(tmp_path, cells).warnings() == []
    Image.fromarray(np.uint8(255 * (cells > 0))).save(tmp_path / "masks" / "b.png")
    found = survey(find_records(tmp_path))
    assert [len(frame.areas) for frame in found.frames] == [4, 1, 4]
    (said,) = found.warnings()
    assert said.startswith("In 1 of 3 masks, such as ")
    assert "b.png, all cells have one value, in 4 pieces there, and count as one cell." in said


def test_masks_of_one_value_in_a_challenge_set(synthetic: Path, tmp_path: Path) -> None:
    shutil.copytree(synthetic, tmp_path / "set")
    path = tmp_path / "set" / "01_GT" / "SEG" / "man_seg001.tif"
    label = read_labels(path)
    label[:, ::8] = 0  # cells that touch become pieces
    write_labels(path, np.where(label > 0, 255, 0))
    (said,) = (said for said in survey(find_records(tmp_path / "set")).warnings() if "all cells have one value" in said)
    assert "man_seg001.tif" in said
    assert said.endswith("and count as one cell. Number the cells.")


def test_stacks_of_membranes_hold_no_classes(tmp_path: Path) -> None:
    labels = np.zeros((2, 48, 64), np.uint8)
    labels[:, 4:20, 4:20] = labels[:, 24:40, 30:46] = 255
    write_label_pages(tmp_path / "train-labels.tif", list(labels))
    write_label_pages(tmp_path / "train-volume.tif", list(labels // 2 + np.arange(64, dtype=np.uint8)))
    found = survey(find_records(tmp_path))
    assert [len(frame.areas) for frame in found.frames] == [2, 2]
    assert found.warnings() == []


@pytest.mark.parametrize("kind", ["enlarged", "enlarged much", "shrunk", "turned", "JPEG", "numbered and enlarged"])
def test_masks_with_grey_values_between_the_values_of_cells(kind: str, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:96, :128]
    discs = [(rows - y) ** 2 + (columns - x) ** 2 < 15**2 for y, x in ((20, 20), (60, 30), (40, 90))]
    cells = Image.fromarray(np.uint8(255 * np.any(discs, axis=0)))
    if kind == "JPEG":
        cells.save(tmp_path / "a.jpg", quality=90)
        mask = Image.open(tmp_path / "a.jpg")
    elif kind == "turned":
        mask = cells.rotate(7, Image.Resampling.BILINEAR)
    elif kind == "numbered and enlarged":
        numbered = Image.fromarray(np.uint8(sum(40 * number * disc for number, disc in enumerate(discs, 1))))
        mask = numbered.resize((256, 192), Image.Resampling.BILINEAR)
    else:
        size = {"enlarged": (200, 150), "enlarged much": (512, 384), "shrunk": (64, 48)}[kind]
        mask = cells.resize(size, Image.Resampling.BICUBIC)
    warnings = masks_of(tmp_path / "set", np.array(mask)).warnings()
    (said,) = (warning for warning in warnings if warning.startswith("In 3 of 3 masks, such as "))
    assert "a.png, grey values change gradually at the outlines" in said
