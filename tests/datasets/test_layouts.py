"""A folder's layout is recognised, and every layout gives records of one form."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import LAYOUTS, find_images, find_records, read_truth, recognise, split_records
from unetpipe.datasets.layouts import check_outside_data
from unetpipe.errors import InputError
from unetpipe.io import write_label_pages


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """An ISBI stack of 5 slices, 12 × 16 pixels: a membrane of two columns between two cells."""
    rng = np.random.default_rng(0)
    labels = np.full((5, 12, 16), 255)
    labels[:, :, 7:9] = 0
    write_label_pages(tmp_path / "train-volume.tif", list(rng.integers(0, 255, labels.shape)))
    write_label_pages(tmp_path / "train-labels.tif", list(labels))
    return tmp_path


def test_ctc_is_recognised(synthetic: Path):
    assert recognise(synthetic) == "ctc"
    records = find_records(synthetic)
    assert len(records) == 6
    assert {record["truth"] for record in records} == {"gold"}
    assert find_records(synthetic, "silver")[0]["truth"] == "silver"


@pytest.mark.parametrize("place", [".", "01_GT", "02_ST"])
def test_results_do_not_go_into_a_ctc_set(place: str, synthetic: Path):
    with pytest.raises(InputError, match=r"^The masks would lie among the (data|truth) in .*; name another output"):
        check_outside_data(synthetic / place, "masks")


@pytest.mark.parametrize("files", [["images/a.tif", "masks/a.tif"], ["x1/images/x1.png", "x2/images/x2.png"]])
def test_results_do_not_go_into_a_data_set_of_folders(files: list[str], tmp_path: Path):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"would lie among the data in .*, which is a data set: "):
        check_outside_data(tmp_path, "masks")


def test_results_do_not_go_into_the_folder_of_a_stack(stack: Path):
    with pytest.raises(InputError, match="which is a data set: ISBI"):
        check_outside_data(stack, "masks")


@pytest.mark.parametrize(
    "files",
    [
        [],
        ["01/mask000.tif", "02/mask000.tif"],  # results of two sequences
        ["2024/cells_mask.tif"],
        ["mine/images/a.tif", "mine/images/b.tif", "mine/masks/a.tif"],  # a data set lies in it
        ["tracks.geff/zarr.json", "notes.txt"],
    ],
)
def test_results_may_go_elsewhere(files: list[str], tmp_path: Path):
    check_outside_data(tmp_path / "new", "masks")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    check_outside_data(tmp_path, "masks")


@pytest.mark.parametrize(
    ("marker", "content", "own"),
    [
        ("zarr.json", json.dumps({"attributes": {"unetpipe": {}}}), True),
        ("zarr.json", json.dumps({"attributes": {"ome": {}}}), False),
        ("zarr.json", "[" * 100_000, False),
        (".zgroup", "{}", False),
    ],
)
def test_results_do_not_go_among_zarr_images_of_others(marker: str, content: str, own: bool, tmp_path: Path):
    (tmp_path / "a.ome.zarr").mkdir()
    (tmp_path / "a.ome.zarr" / marker).write_text(content)
    if own:
        check_outside_data(tmp_path, "masks")
        return
    with pytest.raises(InputError, match=r"would lie among the Zarr images in .*, such as a\.ome\.zarr; name another"):
        check_outside_data(tmp_path, "masks")


def test_isbi_stack_has_a_record_a_slice(stack: Path):
    assert recognise(stack) == "isbi2012"
    records = find_records(stack)
    assert [record["frame"] for record in records] == [record["page"] for record in records] == [0, 1, 2, 3, 4]
    assert len({record["mask_name"] for record in records}) == 5
    label, known = read_truth(records[2])
    assert known.all()
    assert label.dtype == np.int32
    assert np.unique(label[:, :7]) == 1
    assert np.unique(label[:, 9:]) == 2
    assert not label[:, 7:9].any()
    assert [record["frame"] for record in split_records(records, train_frames="0-2", val_frames="3-4")["val"]] == [3, 4]


def test_isbi_labels_are_no_images_to_segment(stack: Path):
    assert {Path(record["image"]).name for record in find_images(stack)} == {"train-volume.tif"}


@pytest.mark.parametrize("gone", ["train-volume.tif", "train-labels.tif"])
def test_isbi_stack_without_its_partner(stack: Path, gone: str):
    (stack / gone).unlink()
    with pytest.raises(InputError, match=rf"There is no .*{gone} next to"):
        find_records(stack)


def test_isbi_stacks_of_different_length(stack: Path):
    write_label_pages(stack / "train-labels.tif", [np.ones((12, 16), int)] * 4)
    with pytest.raises(InputError, match=r"train-labels\.tif has 4 page.* has 5"):
        find_records(stack)


def test_a_folder_of_no_layout_says_what_is_recognised(tmp_path: Path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        recognise(tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(tmp_path), "01/tNNN.tif", "train-volume.tif", "images/", "masks/"):
        assert part in message


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.png"], "images, such as a.png"),
        (["a.png", "a_mask.png"], "images, such as a.png"),
        (["a.png", "masks/a.png"], "images, such as a.png"),
        (["Images/a.png"], "a folder Images"),
        (["imgs/a.png", "ground_truth/a.png", "image/a.png"], "a folder image"),
    ],
)
def test_images_without_masks_are_told_where_masks_go(names: list[str], said: str, tmp_path: Path):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (3, 3)).save(tmp_path / name)
    what = rf"holds {said}, but no folder masks/ or labels/ next to a folder images/\."
    with pytest.raises(InputError, match=rf"{what} .* into DATA/masks; .* needs images only\.$"):
        recognise(tmp_path)


def test_a_file_called_images_is_no_folder_of_images(tmp_path: Path):
    (tmp_path / "images").touch()
    with pytest.raises(InputError, match="has a layout that is not recognised"):
        recognise(tmp_path)


def test_a_folder_around_a_data_set_is_told_of_it(synthetic: Path, tmp_path: Path):
    (tmp_path / "a").mkdir()
    shutil.copytree(synthetic, tmp_path / "set")
    with pytest.raises(InputError, match=rf"its folder set is a data set; give {re.escape(str(tmp_path / 'set'))}\.$"):
        recognise(tmp_path)
    with pytest.raises(InputError, match=r"holds no image, but its folder set is a data set; give "):
        find_images(tmp_path)


def test_missing_and_empty_folders(tmp_path: Path):
    with pytest.raises(InputError, match="There is no data folder"):
        find_records(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is empty; unetpipe recognises"):
        find_records(tmp_path)


def test_every_missing_image_is_complained_of(synthetic: Path, tmp_path: Path):
    copy = Path(shutil.copytree(synthetic, tmp_path / "set"))
    (copy / "01" / "t000.tif").unlink()
    (copy / "02" / "t001.tif").unlink()
    complaints: list[str] = []
    assert len(find_records(copy, complain=complaints.append)) == 4
    assert [name in text for name, text in zip(("t000.tif", "t001.tif"), complaints, strict=True)] == [True, True]


def test_sequences_may_have_names():
    records = [{"sequence": name, "frame": frame} for name in ("plate1", "02") for frame in range(5)]
    parts = split_records(records, train_sequences="plate1", val_sequences=[2])
    assert {record["sequence"] for record in parts["train"]} == {"plate1"}
    assert {record["sequence"] for record in parts["val"]} == {"02"}
    with pytest.raises(InputError, match="plate1, 02"):
        split_records(records, train_sequences="plate2")


def test_real_isbi_stack(real_data: Path):
    folder = real_data / "isbi2012"
    records = find_records(folder)
    assert len(records) == 24
    label, _ = read_truth(records[0])
    with Image.open(folder / "train-labels.tif") as picture:
        first = np.array(picture)
    assert np.array_equal(label > 0, first == 255)
    assert label.max() > 50
    assert {Path(record["image"]).name for record in find_images(folder)} == {"train-volume.tif", "test-volume.tif"}


def test_images_of_a_folder_come_before_those_in_its_folders(tmp_path: Path):
    for name in ("preview.png", "images/a.png", "masks/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 3), 1).save(tmp_path / name)
    assert [record["mask_name"] for record in find_images(tmp_path)] == ["preview_mask.tif"]
    assert [Path(record["image"]).name for record in find_records(tmp_path)] == ["a.png"]


def test_images_without_truth_are_one_sentence(real_data: Path):
    assert recognise(real_data / "mnist") == "mnist"
    assert len(find_images(real_data / "mnist")) == 10_000
    with pytest.raises(InputError, match=r"No image in .*mnist has truth; its layout has none"):
        find_records(real_data / "mnist")


def test_records_say_by_which_layout_their_truth_is_read(synthetic: Path, stack: Path):
    assert {record["layout"] for folder in (synthetic, stack) for record in find_records(folder)} == {"ctc", "isbi2012"}
    assert all(name == layout.NAME for name, layout in LAYOUTS.items())
