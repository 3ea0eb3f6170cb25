"""Nuclei, one mask file each: by hand, broken, and the real set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import find_images, find_records, read_truth, recognise, split_records
from unetpipe.errors import InputError
from unetpipe.transforms.reading import ReadImaged, ReadTruthd


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_image(root: Path, name: str, shape: tuple[int, int] = (6, 8), colours: int = 4) -> Path:
    """An image of 6 × 8 with two nuclei that touch and overlap in one pixel."""
    rng = np.random.default_rng(0)
    save(root / name / "images" / f"{name}.png", rng.integers(0, 255, (*shape, colours), np.uint8))
    first, second = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    first[1:3, 1:4], second[2:5, 3:6] = 255, 255
    save(root / name / "masks" / "a.png", first)
    save(root / name / "masks" / "b.png", second)
    return root / name


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    for number, shape in enumerate([(6, 8), (6, 8), (10, 12), (6, 8), (10, 12)]):
        write_image(tmp_path, f"id{number}", shape)
    return tmp_path


def test_one_mask_a_file_makes_an_instance_map(nuclei: Path):
    assert recognise(nuclei) == "dsb2018"
    label, known = read_truth(find_records(nuclei)[0])
    assert known.all()
    assert label.dtype == np.int32
    assert label[:4, :6].tolist() == [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 1, 1, 2, 2], [0, 0, 0, 2, 2, 2]]


def test_each_size_is_a_sequence_so_that_a_split_has_every_kind(nuclei: Path):
    records = find_records(nuclei)
    assert [(record["sequence"], record["frame"]) for record in records] == [
        ("6x8", 0),
        ("6x8", 1),
        ("10x12", 0),
        ("6x8", 2),
        ("10x12", 1),
    ]
    assert {record["sequence"] for record in split_records(records)["val"]} == {"6x8", "10x12"}


def test_alpha_is_left_out_and_grey_is_given_to_a_network_of_colours(nuclei: Path):
    record = find_records(nuclei)[0]
    item = ReadTruthd()(ReadImaged("image", channels=3)(record))
    assert item["image"].shape == (3, 6, 8)
    grey = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    save(Path(record["image"]), grey)
    image = ReadImaged("image", channels=3)(record)["image"]
    assert image.shape == (3, 6, 8)
    assert (image.numpy() == grey).all()


def test_images_without_masks_can_be_segmented(nuclei: Path):
    for path in (nuclei / "id1" / "masks").iterdir():
        path.unlink()
    assert [record["mask_name"] for record in find_images(nuclei)] == [f"id{number}_mask.tif" for number in range(5)]


def mask_of_another_size(root: Path) -> str:
    save(root / "id0" / "masks" / "b.png", np.ones((5, 8), np.uint8))
    return r"b\.png is 5×8 pixels \(height × width\), the masks before it are 6×8"


def masks_of_another_size_than_the_image(root: Path) -> str:
    for name in "ab":
        save(root / "id0" / "masks" / f"{name}.png", np.ones((5, 8), np.uint8))
    return "masks is 5×8 pixels .* its image is 6×8"


def no_masks(root: Path) -> str:
    for name in "ab":
        (root / "id0" / "masks" / f"{name}.png").unlink()
    return r"id0\.png has no masks"


def two_images(root: Path) -> str:
    save(root / "id0" / "images" / "other.png", np.ones((6, 8), np.uint8))
    return r"holds 2 images; there must be one, or name .*, if it is a separate data set\.$"


@pytest.mark.parametrize("spoil", [mask_of_another_size, masks_of_another_size_than_the_image, no_masks, two_images])
def test_bad_input_is_one_sentence(spoil, nuclei: Path):
    words = spoil(nuclei)
    with pytest.raises(InputError, match=words) as caught:
        ReadTruthd()(ReadImaged("image")(find_records(nuclei)[0]))
    assert "\n" not in str(caught.value)


def test_real_nuclei(real_data: Path):
    records = find_records(real_data / "dsb2018" / "stage1_train")
    assert len(records) == 68
    assert len({record["sequence"] for record in records}) == 7
    for record in (records[1], records[5]):
        item = ReadTruthd()(ReadImaged("image", channels=3)(record))
        assert item["image"].shape[1:] == item["label"].shape[1:]
        assert int(item["label"].max()) == len(list(Path(record["label"]).iterdir()))
