from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from unetpipe.datasets import ctc, find_records, find_sequences, read_truth
from unetpipe.errors import InputError
from unetpipe.io import read_image, read_labels
from unetpipe.transforms import ReadImaged, ReadTruthd

SHAPE = (7, 12)
GOLD, SILVER, MARKERS = "01_GT/SEG/man_seg{}.tif", "01_ST/SEG/man_seg{}.tif", "01_GT/TRA/man_track{}.tif"


def put(path: Path, pixels: np.ndarray | None = None) -> Path:
    """Write a 16-bit LZW TIFF as the challenge does, empty by default."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(SHAPE) if pixels is None else pixels
    Image.fromarray(pixels.astype(np.uint16)).save(path, compression="tiff_lzw")
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a set of sequence 01: images 000 … 003, gold 001, silver 000 … 002, markers 001."""
    for frame in range(4):
        put(tmp_path / f"01/t{frame:03d}.tif")
    put(tmp_path / GOLD.format("001"))
    put(tmp_path / MARKERS.format("001"))
    for frame in range(3):
        put(tmp_path / SILVER.format(f"{frame:03d}"))
    return tmp_path


def kinds(records: list[dict]) -> list[tuple[int, str]]:
    return [(record["frame"], record["truth"]) for record in records]


def test_records_of_each_truth(small: Path) -> None:
    assert kinds(find_records(small, "gold")) == [(1, "gold")]
    assert kinds(find_records(small, "silver")) == [(0, "silver"), (1, "silver"), (2, "silver")]
    assert kinds(find_records(small, "gold+silver")) == [(0, "silver"), (1, "gold"), (2, "silver")]
    assert find_records(small) == find_records(small, "gold+silver")


def test_record_names_its_files(small: Path) -> None:
    silver, gold, _ = find_records(small)
    assert gold == {
        "image": str(small / "01/t001.tif"),
        "label": str(small / GOLD.format("001")),
        "markers": str(small / MARKERS.format("001")),
        "silver": str(small / SILVER.format("001")),
        "sequence": "01",
        "frame": 1,
        "truth": "gold",
        "layout": "ctc",
        "mask_name": "01_RES/mask001.tif",
    }
    assert silver["label"] == str(small / SILVER.format("000"))
    assert not {"markers", "silver"} & set(silver)  # silver truth covers every cell


def test_gold_without_markers_names_no_silver(small: Path) -> None:
    shutil.rmtree(small / "01_GT/TRA")
    assert not {"markers", "silver"} & set(find_records(small, "gold")[0])


def test_sequences_are_in_order_and_other_folders_left_aside(small: Path) -> None:
    shutil.copytree(small / "01", small / "02")
    shutil.copytree(small / "01_ST", small / "02_ST")
    (small / "01_RES").mkdir()
    (small / "notes").mkdir()
    (small / "03").write_text("a file, no folder")
    assert find_sequences(small) == ["01", "02"]
    assert [(r["sequence"], r["frame"]) for r in find_records(small, "silver")] == [
        (sequence, frame) for sequence in ("01", "02") for frame in range(3)
    ]


def test_four_digits_and_other_files(small: Path) -> None:
    put(small / "01/t1234.tif")
    put(small / SILVER.format("1234"))
    put(small / "01_ST/SEG/man_seg_000_001.tif")  # a slice of a 3D set
    (small / "01_ST/SEG/readme.txt").write_text("")
    records = find_records(small, "silver")
    assert [record["frame"] for record in records] == [0, 1, 2, 1234]
    assert records[-1]["mask_name"] == "01_RES/mask1234.tif"


def test_synthetic_set_has_gold_and_markers_everywhere(synthetic: Path) -> None:
    records = find_records(synthetic)
    assert [(r["sequence"], r["frame"], r["truth"]) for r in records] == [
        (sequence, frame, "gold") for sequence in ("01", "02") for frame in range(3)
    ]
    for record in records:
        label, known = read_truth(record)
        assert known.all()
        assert label.max() > 0
        assert read_image(record["image"]).shape == (1, *label.shape)


@pytest.mark.parametrize(
    ("name", "frames", "gold", "shape", "partial"),
    [("DIC-C2DH-HeLa", 84, 9, (512, 512), True), ("PhC-C2DH-U373", 115, 15, (520, 696), False)],
)
def test_real_sets(real_data: Path, name: str, frames: int, gold: int, shape: tuple[int, int], partial: bool) -> None:
    folder = real_data / "ctc" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    assert [record["truth"] for record in find_records(folder, "gold")] == ["gold"] * gold
    assert [record["truth"] for record in find_records(folder, "silver")] == ["silver"] * frames
    assert Counter(record["truth"] for record in find_records(folder)) == {"gold": gold, "silver": frames - gold}
    unknown = 0
    for record in find_records(folder, "gold"):
        label, known = read_truth(record)
        unknown += np.count_nonzero(~known)
        assert label.shape == known.shape == shape
        assert read_image(record["image"]).shape == (1, *shape)
        assert known[label > 0].all()
        markers = read_labels(record["markers"])
        for number in np.unique(markers[markers > 0]):  # every marker is annotated, or not known
            marker = markers == number
            assert (label[marker] > 0).mean() >= 0.5 or not known[marker & (label == 0)].any()
    assert bool(unknown) is partial  # of HeLa not every cell is annotated


def draw(text: str) -> np.ndarray:
    """Read one row of ids, repeated over the height; a dot is background."""
    return np.tile([0 if c == "." else int(c) for c in text], (SHAPE[0], 1))


def truth_of(folder: Path, gold: np.ndarray, markers: np.ndarray, silver: np.ndarray | None) -> np.ndarray:
    """Write one frame and return its mask of unknown pixels; the label must come back as it was."""
    put(folder / "01/t000.tif")
    put(folder / GOLD.format("000"), gold)
    put(folder / MARKERS.format("000"), markers)
    if silver is not None:
        put(folder / SILVER.format("000"), silver)
    label, known = read_truth(find_records(folder, "gold")[0])
    assert label.dtype == np.int32
    assert known.dtype == bool
    np.testing.assert_array_equal(label, gold)
    return ~known


def test_markers_with_an_object_leave_all_known(tmp_path: Path) -> None:
    unknown = truth_of(tmp_path, draw("111..222...."), draw(".5....7....."), draw("111..222.333"))
    assert not unknown.any()


def test_marker_half_covered_has_its_object(tmp_path: Path) -> None:
    assert not truth_of(tmp_path / "half", draw("11.........."), draw("5555........"), draw("....99......")).any()
    assert truth_of(tmp_path / "less", draw("1..........."), draw("5555........"), None)[:, 1:4].all()


def test_marker_without_object_makes_its_silver_mask_unknown(tmp_path: Path) -> None:
    unknown = truth_of(tmp_path, draw("111........."), draw(".5.....7...."), draw("222...3333.4"))
    np.testing.assert_array_equal(unknown, draw("......1111..") > 0)


def test_silver_mask_takes_nothing_from_an_annotated_cell(tmp_path: Path) -> None:
    unknown = truth_of(tmp_path, draw("11111......."), draw(".5.....7...."), draw("...333333..."))
    np.testing.assert_array_equal(unknown, draw(".....1111...") > 0)


def test_marker_itself_is_unknown_where_silver_misses_it(tmp_path: Path) -> None:
    unknown = truth_of(tmp_path, draw("1..........."), draw("5......777.."), draw("1....333...."))
    np.testing.assert_array_equal(unknown, draw(".....11111..") > 0)


@pytest.mark.parametrize("silver", [None, np.zeros(SHAPE)])
def test_marker_without_silver_makes_a_disc_of_the_median_size_unknown(tmp_path: Path, silver) -> None:
    """Cells of 1, 9 and 28 pixels: the median is 9, a disc of radius sqrt(9 / π) = 1.69 (by the mean: 2.01)."""
    gold = np.zeros(SHAPE)
    gold[0, 0], gold[0:3, 2:5], gold[3:7, 0:7] = 1, 2, 3
    markers = gold.copy()
    markers[4, 8] = 9
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = np.hypot(y - 4, x - 8) <= 1.69
    assert disc.sum() == 9
    np.testing.assert_array_equal(truth_of(tmp_path, gold, markers, silver), disc)


def test_without_markers_all_is_known(small: Path) -> None:
    shutil.rmtree(small / "01_GT/TRA")
    for record in find_records(small):
        assert read_truth(record)[1].all()


def test_non_square_images_keep_height_and_width(tmp_path: Path) -> None:
    pixels = np.arange(5 * 9).reshape(5, 9)
    put(tmp_path / "01/t000.tif", pixels)
    put(tmp_path / SILVER.format("000"), pixels)
    item = ReadTruthd()(ReadImaged("image")(find_records(tmp_path)[0]))
    for key, dtype in (("image", torch.float32), ("label", torch.int32)):
        assert isinstance(item[key], MetaTensor)
        assert item[key].dtype == dtype
        np.testing.assert_array_equal(item[key].numpy(), pixels[None])
    assert (item["known"].shape, item["known"].dtype) == ((1, 5, 9), torch.bool)


def test_truth_transform_marks_the_unknown_and_drops_the_paths(small: Path) -> None:
    markers = np.zeros(SHAPE)
    markers[3, 4] = 1
    put(small / MARKERS.format("001"), markers)
    item = ReadTruthd()(find_records(small, "gold")[0])
    assert not {"markers", "silver"} & set(item)
    np.testing.assert_array_equal(item["known"][0].numpy(), markers == 0)
    assert item["mask_name"] == "01_RES/mask001.tif"


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        find_records(tmp_path / "nowhere")


def test_other_layout_is_named(tmp_path: Path) -> None:
    put(tmp_path / "pictures/a.tif")
    with pytest.raises(InputError, match=f"{tmp_path.name} is not laid out as a Cell Tracking Challenge set"):
        ctc.records(tmp_path)


def test_set_without_truth_is_named(small: Path) -> None:
    shutil.rmtree(small / "01_GT")
    with pytest.raises(InputError, match=f"{small.name} has gold truth"):
        find_records(small, "gold")


def test_truth_without_image_is_named(small: Path) -> None:
    (small / "01/t002.tif").unlink()
    with pytest.raises(InputError, match=r"man_seg002\.tif has no image: t002\.tif is missing"):
        find_records(small, "silver")
    assert kinds(find_records(small, "gold")) == [(1, "gold")]  # that frame is not asked for


def test_unknown_truth_is_refused(small: Path) -> None:
    with pytest.raises(InputError, match="bronze"):
        find_records(small, "bronze")


@pytest.mark.parametrize("other", [MARKERS, SILVER])
def test_truth_files_of_different_size_are_named(small: Path, other: str) -> None:
    put(small / other.format("001"), np.zeros((SHAPE[1], SHAPE[0])))
    with pytest.raises(InputError, match=Path(other.format("001")).name):
        read_truth(find_records(small, "gold")[0])


def test_image_and_label_of_different_size_are_named(small: Path) -> None:
    put(small / GOLD.format("001"), np.zeros((7, 11)))
    put(small / MARKERS.format("001"), np.zeros((7, 11)))
    put(small / SILVER.format("001"), np.zeros((7, 11)))
    item = ReadImaged("image")(find_records(small, "gold")[0])
    with pytest.raises(InputError, match=r"man_seg001\.tif is 7×11 pixels .* 7×12"):
        ReadTruthd()(item)
