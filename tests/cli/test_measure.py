"""Measuring and encoding masks on the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.datasets import find_records, read_truth
from unetpipe.io import write_label_pages, write_labels


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_volume(tmp_path: Path, capsys: pytest.CaptureFixture):
    nibabel.save(nibabel.Nifti1Image(np.ones((10, 10, 4), np.uint16), np.diag([1, 1, 5, 1])), tmp_path / "m.nii.gz")
    assert main(["measure", str(tmp_path / "m.nii.gz"), "--output", str(tmp_path / "out")]) == 0
    assert "m.nii.gz: 2.0 ml in 4 slices" in capsys.readouterr().out
    assert [row["area_mm2"] for row in table(tmp_path / "out" / "slices.csv")] == ["100.00000"] * 4


def test_cells_beside_their_truth(real_data: Path, tmp_path: Path):
    record = find_records(real_data / "alizarine")[20]
    truth, _ = read_truth(record)
    write_labels(tmp_path / "masks" / record["mask_name"], truth)
    arguments = ["--truth", str(real_data / "alizarine"), "--pixel-size", "1"]
    assert main(["measure", str(tmp_path / "masks"), "--output", str(tmp_path / "out"), *arguments]) == 0
    true, found = table(tmp_path / "out" / "mosaics.csv")
    assert {**true, "of": ""} == {**found, "of": ""}
    assert 1500 < float(true["density"]) < 4500
    assert 0.3 < float(true["hexagonal"]) < 0.8
    assert Image.open(tmp_path / "out" / record["mask_name"].replace("_mask.tif", "_mask_neighbours.png")).size == (
        768,
        576,
    )


CELLS = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((6, 6), int))


def measure(masks: Path, *arguments: str) -> int:
    return main(["measure", str(masks), "--output", str(masks.parent / "out"), *arguments])


def of(folder: Path) -> list[tuple[str, str]]:
    return [(row["mask"], row["of"]) for row in table(folder / "out" / "mosaics.csv")]


def paired(folder: Path, *names: str) -> str:
    """Write a data set of paired images and masks, the latter with cells."""
    for name in names:
        write_labels(folder / "set" / "images" / name, np.arange(324).reshape(18, 18))
        write_labels(folder / "set" / "masks" / name, CELLS)
    return str(folder / "set")


def refused(capsys: pytest.CaptureFixture, folder: Path) -> str:
    """Return the one sentence on standard error; nothing is written."""
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert not (folder / "out").exists()
    return error


@pytest.mark.parametrize("name", ["a_mask.png", "a_mask.tif", "a.tif"])
def test_truth_is_found_by_the_stem(name: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    truth = paired(tmp_path, "a.tif", "b.tif")
    (tmp_path / "m").mkdir()
    for mask in (name, "other.png"):
        Image.fromarray(CELLS.astype(np.uint8)).save(tmp_path / "m" / mask)
    assert measure(tmp_path / "m", "--truth", truth) == 0
    assert of(tmp_path) == [(name, "truth"), (name, "mask"), ("other.png", "mask")]
    assert "Without truth: 1 of 2 masks, such as other.png" in capsys.readouterr().out


def test_truth_of_a_ctc_sequence(synthetic: Path, tmp_path: Path):
    record = find_records(synthetic)[-1]
    write_labels(tmp_path / record["mask_name"], read_truth(record)[0])
    assert record["mask_name"].startswith("02_RES/")
    assert measure(tmp_path / "02_RES", "--truth", str(synthetic)) == 0
    name = Path(record["mask_name"]).name
    assert of(tmp_path) == [(name, "truth"), (name, "mask")]
    true, found = table(tmp_path / "out" / "mosaics.csv")
    assert true["mean_area"] == found["mean_area"]


def test_a_stack_page_by_page_beside_its_truth(tmp_path: Path):
    pages = [CELLS, np.where(CELLS == 5, 0, CELLS)]
    write_label_pages(tmp_path / "set" / "images" / "s.tif", [np.arange(324).reshape(18, 18)] * 2)
    write_label_pages(tmp_path / "set" / "masks" / "s.tif", pages)
    write_label_pages(tmp_path / "m" / "s_mask.tif", pages)
    assert measure(tmp_path / "m", "--truth", str(tmp_path / "set")) == 0
    rows = table(tmp_path / "out" / "mosaics.csv")
    assert [(row["mask"], row["of"], row["cells"]) for row in rows] == [
        ("s_mask.tif, page 0", "truth", "1"),
        ("s_mask.tif, page 0", "mask", "1"),
        ("s_mask.tif, page 1", "truth", "0"),
        ("s_mask.tif, page 1", "mask", "0"),
    ]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        f"s_mask_00{page}_{of}.png" for page in (0, 1) for of in ("truth", "neighbours")
    }


def test_no_mask_of_the_data_set(tmp_path: Path, capsys: pytest.CaptureFixture):
    truth = paired(tmp_path, "a.tif")
    write_labels(tmp_path / "m" / "c_mask.tif", CELLS)
    assert measure(tmp_path / "m", "--truth", truth) == 1
    assert "there is c_mask.tif, but names such as a_mask.tif are expected" in refused(capsys, tmp_path)


def test_a_mask_of_another_size_than_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture):
    truth = paired(tmp_path, "a.tif")
    write_labels(tmp_path / "m" / "a_mask.tif", CELLS[:15])
    assert measure(tmp_path / "m", "--truth", truth) == 1
    sentence = refused(capsys, tmp_path)
    for part in ("a_mask.tif is 15×18 pixels", "masks/a.tif is 18×18; they must be alike"):
        assert part in sentence


def test_images_of_another_size_are_said_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name, image in (("a", CELLS), ("b", CELLS[:15])):
        write_labels(tmp_path / "m" / f"{name}_mask.tif", CELLS)
        write_labels(tmp_path / "images" / f"{name}.tif", image)
    assert measure(tmp_path / "m", "--images", str(tmp_path / "images")) == 1
    assert "b_mask.tif is 18×18 pixels (height × width), " in refused(capsys, tmp_path)


def test_pictures_do_not_go_among_the_images(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_labels(tmp_path / "m" / "a_mask.tif", CELLS)
    write_labels(tmp_path / "out" / "a.tif", CELLS)
    assert measure(tmp_path / "m", "--images", str(tmp_path / "out")) == 1
    assert f"The pictures would lie among the images in {tmp_path / 'out'};" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tif"]


def test_pictures_do_not_go_into_the_folder_of_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture):
    """There segment would take the pictures for the images of the set."""
    write_labels(tmp_path / "m" / "a_mask.tif", CELLS)
    write_labels(tmp_path / "out" / "01" / "t000.tif", CELLS)
    assert measure(tmp_path / "m") == 1
    assert "The pictures would lie among the data in" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["01"]


def test_a_data_set_is_not_a_folder_of_masks(tmp_path: Path, capsys: pytest.CaptureFixture):
    paired(tmp_path, "a.tif")
    assert measure(tmp_path / "set") == 1
    assert "holds no mask (TIFF, PNG or NIfTI) itself: it is a data set, paired folders" in refused(capsys, tmp_path)


@pytest.mark.parametrize("size", ["nan", "inf", "0", "-1"])
def test_pixel_size_is_a_finite_number_above_0(size: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    write_labels(tmp_path / "m" / "a_mask.tif", CELLS)
    assert measure(tmp_path / "m", f"--pixel-size={size}") == 1
    assert "must be a finite number above 0" in refused(capsys, tmp_path)


@pytest.mark.parametrize("arguments", [["--pixel-size", "1"], ["--truth", "anywhere"]])
def test_volumes_take_neither_truth_nor_pixel_size(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "m").mkdir()
    nibabel.save(nibabel.Nifti1Image(np.ones((9, 9, 2), np.uint16), np.eye(4)), tmp_path / "m" / "a_mask.nii")
    assert measure(tmp_path / "m", *arguments) == 1
    assert "leave out --truth, --images, --export and --pixel-size" in refused(capsys, tmp_path)


@pytest.mark.parametrize("good", ["a_mask.tif", "a_mask.nii"])
def test_nothing_is_written_if_one_mask_is_broken(good: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    write_labels(tmp_path / "m" / "b_mask.tif", CELLS)
    (tmp_path / "m" / "b_mask.tif").write_bytes(b"II*\0")
    if good.endswith(".nii"):
        nibabel.save(nibabel.Nifti1Image(np.ones((9, 9, 2), np.uint16), np.eye(4)), tmp_path / "m" / good)
    else:
        write_labels(tmp_path / "m" / good, CELLS)
    assert measure(tmp_path / "m") == 1
    assert "b_mask.tif cannot be read" in refused(capsys, tmp_path)


def test_no_stack_is_submitted(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_label_pages(tmp_path / "m" / "s_mask.tif", [CELLS, CELLS])
    assert main(["encode", str(tmp_path / "m"), "--output", str(tmp_path / "out")]) == 1
    assert "s_mask.tif has 2 pages; save each page as a separate file" in refused(capsys, tmp_path)


def test_submission(tmp_path: Path):
    write_labels(tmp_path / "masks" / "one_mask.tif", np.array([[0, 2, 2], [1, 2, 0]]))
    write_labels(tmp_path / "masks" / "none_mask.tif", np.zeros((2, 3), int))
    assert main(["encode", str(tmp_path / "masks"), "--output", str(tmp_path / "s.csv")]) == 0
    expected = "ImageId,EncodedPixels\nnone,\none,2 1\none,3 3\n"
    assert (tmp_path / "s.csv").read_text() == expected
    write_labels(tmp_path / "masks" / "Ü_mask.tif", np.zeros((2, 3), int))
    assert main(["encode", str(tmp_path / "masks"), "--output", str(tmp_path / "s.csv")]) == 0
    assert (tmp_path / "s.csv").read_bytes() == f"{expected}Ü,\n".encode()  # no mark before the first column


def test_masks_that_number_no_cells_are_not_submitted(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_labels(tmp_path / "m" / "a_mask.tif", np.array([[255, 0, 255]]))
    assert main(["encode", str(tmp_path / "m"), "--output", str(tmp_path / "out")]) == 1
    assert "a_mask.tif holds only 0 and 255, in 2 pieces" in refused(capsys, tmp_path)


def test_a_channel_needs_images(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_labels(tmp_path / "m" / "a_mask.tif", CELLS)
    assert measure(tmp_path / "m", "--channel", "0") == 1
    assert "--channel chooses a channel of --images, which are not given" in refused(capsys, tmp_path)


@pytest.mark.parametrize("verb", ["measure", "encode"])
def test_no_masks_is_one_sentence(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main([verb, str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1


def test_what_the_density_is_of_and_the_cells_at_the_edge_are_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Of nine squares of 10 × 10 pixels one is complete: 1 / (100 µm · 100 µm) = 100 a mm²."""
    labels = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((10, 10), int))
    write_labels(tmp_path / "a_mask.tif", labels)
    assert main(["measure", str(tmp_path / "a_mask.tif"), "--output", str(tmp_path / "out"), "--pixel-size", "10"]) == 0
    printed = capsys.readouterr().out
    assert "1 complete cells (8 at the edge of the image left out), 100 a mm² of the mosaic (not of" in printed
