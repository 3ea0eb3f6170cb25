"""``unetpipe evaluate``: the table it prints, the files it writes, and what it says of bad results."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.io import read_image, read_labels, write_labels
from unetpipe.io.images import write_label_pages


def values(printed: str) -> dict[str, str]:
    return {line.split()[0]: line.split()[1] for line in printed.splitlines() if len(line.split()) > 1}


@pytest.mark.parametrize(
    ("name", "seg", "det"), [("DIC-C2DH-HeLa", "0.96475", "0.98571"), ("PhC-C2DH-U373", "0.95113", "1.00000")]
)
def test_real_result_has_the_official_figures(
    name: str, seg: str, det: str, real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    folder = real_data / "ctc" / name
    assert main(["evaluate", str(folder / "01_ERR_SEG"), str(folder / "01_GT"), "--output", str(tmp_path)]) == 0
    printed = values(capsys.readouterr().out)
    assert (printed["SEG"], printed["DET"]) == (seg, det)
    assert "TRA" not in printed
    stored = json.loads((tmp_path / "scores.json").read_text())["SEG"]
    assert f"{stored:.5f}" == seg
    with (tmp_path / "objects.csv").open() as file:
        jaccards = [float(row["jaccard"]) for row in csv.DictReader(file)]
    assert np.mean(jaccards) == pytest.approx(stored, abs=1e-5)


def test_a_perfect_result_and_one_with_an_invented_cell(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    for frame in range(3):
        label = read_labels(synthetic / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif")
        write_labels(tmp_path / "perfect" / f"mask{frame:03d}.tif", label)
        y, x = np.argwhere(label == 0)[0]
        label[y, x] = label.max() + 1
        write_labels(tmp_path / "invented" / f"mask{frame:03d}.tif", label)
    assert main(["evaluate", str(tmp_path / "perfect"), str(synthetic / "01_GT")]) == 0
    perfect = values(capsys.readouterr().out)
    assert main(["evaluate", str(tmp_path / "invented"), str(synthetic / "01_GT")]) == 0
    invented = values(capsys.readouterr().out)
    assert perfect["SEG"] == perfect["DET"] == invented["SEG"] == "1.00000"
    assert float(invented["DET"]) < 1


def test_isbi_stack_has_the_official_figure(real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Proposal D holds slices 18–23; pixel error is that of the whole stack."""
    source = real_data / "isbi2012"
    pages = [Image.fromarray(read_image(source / "train-labels.tif", page)[0]) for page in range(18, 24)]
    pages[0].save(tmp_path / "truth.tif", save_all=True, append_images=pages[1:])
    shutil.copy(source / "reference" / "D.tif", tmp_path / "result.tif")
    arguments = [
        "evaluate",
        str(tmp_path / "result.tif"),
        str(tmp_path / "truth.tif"),
        "--output",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    printed = values(capsys.readouterr().out)
    assert printed["pixel_error"] == "0.03327"
    assert printed["rand_error"] == "0.03862"
    assert printed["warping_error"] == "0.00013"
    assert printed["v_rand_pooled"] == "0.99981"
    assert (tmp_path / "out" / "report.html").read_text().count('class="frame"') == 6
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["v_info"]["value"] == pytest.approx(
        0.99931919, abs=1e-6
    )


@pytest.fixture
def folders(synthetic: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A perfect result and its truth."""
    truth = Path(shutil.copytree(synthetic / "01_GT", tmp_path / "01_GT"))
    for frame in range(3):
        write_labels(tmp_path / f"RES/mask{frame:03d}.tif", read_labels(truth / f"SEG/man_seg{frame:03d}.tif"))
    return tmp_path / "RES", truth


def put(path: Path, dtype: type, value: int = 1, width: int = 128) -> None:
    Image.fromarray(np.full((96, width), value, dtype)).save(path)


SEG1, TRA1, TABLE = "SEG/man_seg001.tif", "TRA/man_track001.tif", "TRA/man_track.txt"
# what is done to result and truth, and what the sentence says
BAD: dict[str, tuple[Callable[[Path, Path], object], list[str]]] = {
    "no result": (lambda result, truth: shutil.rmtree(result), ["no file or folder", "RES"]),
    "no truth": (lambda result, truth: shutil.rmtree(truth), ["no file or folder", "01_GT"]),
    "frame missing": (lambda result, truth: (result / "mask001.tif").unlink(), ["RES lacks mask001.tif"]),
    "frames missing": (
        lambda result, truth: [(result / f"mask00{n}.tif").unlink() for n in (0, 2)],
        ["RES lacks mask000.tif, mask002.tif"],
    ),
    "frame without truth": (lambda result, truth: put(result / "mask003.tif", np.uint16), ["lacks man_track003.tif"]),
    "size": (lambda result, truth: put(result / "mask001.tif", np.uint16, width=99), ["mask001.tif is 96×99 pixels"]),
    "size of truth": (
        lambda result, truth: put(truth / SEG1, np.uint16, width=99),
        ["mask001.tif is 96×128 pixels", "man_seg001.tif is 96×99;"],
    ),
    "8 bit": (lambda result, truth: put(result / "mask001.tif", np.uint8, 255), ["mask001.tif holds uint8", "uint16"]),
    "32 bit": (lambda result, truth: put(result / "mask001.tif", np.int32), ["mask001.tif holds int32", "uint16"]),
    "float": (lambda result, truth: put(result / "mask001.tif", np.float32), ["mask001.tif holds float32"]),
    "float truth": (lambda result, truth: put(truth / TRA1, np.float32), ["man_track001.tif holds float32"]),
    "label above 65535": (lambda result, truth: put(result / "mask001.tif", np.int32, 65536), ["the label 65536"]),
    "label of truth": (lambda result, truth: put(truth / SEG1, np.int32, 70000), ["man_seg001.tif", "70000"]),
    "two files of a frame": (
        lambda result, truth: put(result / "mask0001.tif", np.uint16),
        ["mask0001.tif and mask001.tif", "both of frame 1"],
    ),
    "no CTC truth": (
        lambda result, truth: shutil.rmtree(truth / "SEG") or shutil.rmtree(truth / "TRA"),
        ["is not a truth"],
    ),
    "masks alone": (
        lambda result, truth: shutil.rmtree(truth) or shutil.copytree(result, truth),
        ["01_GT is not a truth", "FOLDER/masks"],
    ),
    "no CTC result": (lambda result, truth: [path.unlink() for path in result.iterdir()], ["RES is not a result"]),
    "broken line": (lambda result, truth: (truth / TABLE).write_text("1 0 2 0\n2 0 x 0\n"), ["line 2", "'2 0 x 0'"]),
    "short line": (lambda result, truth: (truth / TABLE).write_text("1 0 2 0\n\n2 0 2\n"), ["line 3", "'2 0 2'"]),
    "no text": (lambda result, truth: (truth / TABLE).write_bytes(b"\xff\xfe\xff"), ["man_track.txt", "as text"]),
    "track without cell": (
        lambda result, truth: (result / "res_track.txt").write_text("1 0 2 0\n"),
        ["res_track.txt: cell 2 in the mask of frame 0"],
    ),
    "truncated": (lambda result, truth: (result / "mask001.tif").write_bytes(b"II*"), ["mask001.tif cannot be read"]),
    "a file and a folder": (
        lambda result, truth: shutil.rmtree(truth) or truth.write_text(""),
        ["do not belong together"],
    ),
}


@pytest.mark.parametrize("mistake", BAD)
def test_bad_input_is_one_sentence(mistake: str, folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    result, truth = folders
    damage, said = BAD[mistake]
    damage(result, truth)
    assert main(["evaluate", str(result), str(truth), "--output", str(result.parent / "out")]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("Error: ")
    assert printed.err.count("\n") == 1
    for words in said:
        assert words in printed.err
    assert not (result.parent / "out").exists()


def test_stacks_that_do_not_fit_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture):
    put(tmp_path / "truth.tif", np.uint8, 255)
    put(tmp_path / "narrow.tif", np.uint8, 255, width=99)
    put(tmp_path / "logits.tif", np.float32, -3)
    put(tmp_path / "wide.tif", np.int32, 200)
    for name, said in (
        ("narrow.tif", "(1, 96, 99)"),
        ("logits.tif", "outside 0 … 1"),
        ("wide.tif", "wide.tif holds int32"),
    ):
        assert main(["evaluate", str(tmp_path / name), str(tmp_path / "truth.tif")]) == 1
        assert said in capsys.readouterr().err


def test_a_stack_of_numbered_cells_is_no_stack_of_probabilities(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Two cells that touch in the result are two, whatever their numbers; so is a mask of one bit, of cells apart."""
    cells = np.zeros((9, 11), np.uint16)
    cells[1:8, 1:6], cells[1:8, 6:10] = 7, 300
    apart = cells.copy()
    apart[:, 5] = 0
    Image.fromarray((apart > 0).astype(np.uint8) * 255).save(tmp_path / "truth.tif")
    results = {"cells": cells, "bits": apart > 0, "bytes": np.where(apart > 0, 255, 0).astype(np.uint8)}
    results["words"] = np.where(apart > 0, 65535, 0).astype(np.uint16)
    for name, result in results.items():
        Image.fromarray(result).save(tmp_path / f"{name}.tif")
        assert main(["evaluate", str(tmp_path / f"{name}.tif"), str(tmp_path / "truth.tif")]) == 0
        printed = capsys.readouterr().out
        assert (values(printed)["rand_error"], values(printed)["v_info"]) == ("0.00000", "1.00000"), name
        assert ("read as numbered cells: its highest 16-bit value is 300" in printed) == (name == "cells")


def test_images_need_a_report(folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    assert main(["evaluate", *map(str, folders), "--images", str(folders[0])]) == 1
    assert "--images is for the report, which needs --output" in capsys.readouterr().err


def test_what_tra_needs_is_said(folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    """Without markers in the truth it is they that are missing, though the result has tracks."""
    result, truth = folders
    (result / "res_track.txt").write_text("1 0 2 0\n")
    shutil.rmtree(truth / "TRA")
    assert main(["evaluate", str(result), str(truth)]) == 0
    printed = capsys.readouterr().out
    assert "No DET, TRA, division_F1: needs TRA/man_trackNNN.tif in the truth\n" in printed
    assert printed.count("No ") == 1


def test_a_truth_of_markers_alone(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture):
    result, truth = folders
    shutil.rmtree(truth / "SEG")
    assert main(["evaluate", str(result), str(truth), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert values(printed)["DET"] == "1.00000"
    assert (
        "No SEG, IoU, Dice, precision, recall, F1, mean_precision: needs SEG/man_segNNN.tif in the truth\n"
        "No TRA, division_F1: needs tracks: res_track.txt, by unetpipe link\n" in printed
    )
    page = (tmp_path / "out" / "report.html").read_text()
    assert "0 frames" not in page
    assert "no outlines of cells (SEG/man_segNNN.tif)" in page


def test_cells_that_gold_truth_leaves_out_cost_nothing(folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    result, truth = folders
    label = read_labels(truth / SEG1)
    write_labels(truth / SEG1, np.where(label == 1, 0, label))
    silver = truth.with_name("01_ST") / "SEG" / "man_seg001.tif"
    write_labels(silver, label)
    assert main(["evaluate", str(result), str(truth)]) == 0
    printed = values(capsys.readouterr().out)
    names = ("SEG", "DET", "IoU", "Dice", "precision", "recall", "F1", "mean_precision")
    assert {printed[name] for name in names} == {"1.00000"}


def test_the_report_shows_the_images_beside_the_truth(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for frame in range(3):
        label = read_labels(synthetic / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif")
        write_labels(tmp_path / "RES" / f"mask{frame:03d}.tif", np.where(label == 1, 0, label))
    arguments = ["evaluate", str(tmp_path / "RES"), str(synthetic / "01_GT"), "--output"]
    assert main([*arguments, str(tmp_path / "out")]) == 0
    assert f"Report: {tmp_path / 'out' / 'report.html'}" in capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<img") == 6
    assert page.count("<li>missed: cell 1</li>") == 3

    shutil.copytree(synthetic / "01_GT", tmp_path / "01_GT")  # without its images
    arguments[2] = str(tmp_path / "01_GT")
    assert main([*arguments, str(tmp_path / "black")]) == 0
    assert "<img" not in (tmp_path / "black" / "report.html").read_text()
    assert main([*arguments, str(tmp_path / "named"), "--images", str(synthetic / "01")]) == 0
    assert (tmp_path / "named" / "report.html").read_text().count("<img") == 6
    capsys.readouterr()
    assert main([*arguments, str(tmp_path / "none"), "--images", str(tmp_path)]) == 1
    assert "lacks t000.tif" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("frame", [1, 2])
def test_sizes_of_images_are_compared_before_scoring(
    frame: int, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Frame 2 has no outlines in the truth, but the pictures of the tracks show it."""
    for folder in ("01", "01_GT"):
        shutil.copytree(synthetic / folder, tmp_path / folder)
    (tmp_path / "01_GT" / "SEG" / "man_seg002.tif").unlink()
    for number in range(3):
        label = read_labels(synthetic / "01_GT" / "SEG" / f"man_seg{number:03d}.tif")
        write_labels(tmp_path / "RES" / f"mask{number:03d}.tif", label)
    Image.new("L", (5, 4)).save(tmp_path / "01" / f"t{frame:03d}.tif")
    monkeypatch.setattr("unetpipe.evaluation.score_result", lambda *arguments: pytest.fail("scored"))
    for images in ((), ("--images", tmp_path / "01")):
        arguments = ["evaluate", tmp_path / "RES", tmp_path / "01_GT", "--output", tmp_path / "out", *images]
        assert main(list(map(str, arguments))) == 1
        assert f"t{frame:03d}.tif is 4×5 pixels (height × width)" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.*"))


PERFECT = ("SEG", "IoU", "Dice", "precision", "recall", "F1", "mean_precision")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_numbered_cells_against_themselves_are_perfect(dtype: type, tmp_path: Path, capsys: pytest.CaptureFixture):
    label = np.zeros((20, 30), dtype)
    label[2:8, 2:8], label[2:8, 8:14], label[12:18, 20:28] = 1, 2, 7
    Image.fromarray(label).save(tmp_path / "cells.tif")
    arguments = [
        "evaluate",
        str(tmp_path / "cells.tif"),
        str(tmp_path / "cells.tif"),
        "--output",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    printed = values(capsys.readouterr().out)
    assert {printed[name] for name in PERFECT} == {"1.00000"}
    Image.fromarray(np.where(label == 7, 0, label)).save(tmp_path / "fewer.tif")
    assert main(["evaluate", str(tmp_path / "fewer.tif"), str(tmp_path / "cells.tif")]) == 0
    printed = values(capsys.readouterr().out)
    assert (printed["SEG"], printed["recall"], printed["precision"]) == ("0.66667", "0.66667", "1.00000")


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 255), (np.uint16, 255), (np.uint16, 65535)])
def test_masks_of_0_and_255_are_named(
    dtype: type, value: int, folders: tuple[Path, Path], capsys: pytest.CaptureFixture
):
    result, truth = folders
    label = read_labels(truth / SEG1)
    label[:, ::8] = 0  # the cells touch each other: now they are pieces
    Image.fromarray(np.where(label > 0, value, 0).astype(dtype)).save(result / "mask001.tif")
    for given in ((result, truth), (result / "mask001.tif", truth / SEG1)):
        assert main(["evaluate", *map(str, given)]) == 1
        assert f"mask001.tif holds only 0 and {value}, in " in capsys.readouterr().err
    if dtype is np.uint16:
        assert main(["link", str(result)]) == 1
        assert f"mask001.tif holds only 0 and {value}, in " in capsys.readouterr().err


def test_some_frames(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture):
    result, truth = folders
    (result / "mask001.tif").unlink()
    assert main(["evaluate", str(result), str(truth)]) == 1
    assert "To score only the frames that are there, use --frames 0,2" in capsys.readouterr().err
    assert main(["evaluate", str(result), str(truth), "--frames", "0,2", "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert (values(printed)["SEG"], values(printed)["DET"]) == ("1.00000", "1.00000")
    assert "No TRA, division_F1: scored only for whole sequences, without --frames\n" in printed
    assert len((tmp_path / "out" / "frames.csv").read_text().splitlines()) == 3
    assert main(["evaluate", str(result), str(truth), "--frames", "7"]) == 1
    assert "no truth for the frames 7" in capsys.readouterr().err


def test_truth_without_markers_has_a_report(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture):
    result, truth = folders
    shutil.rmtree(truth / "TRA")
    assert main(["evaluate", str(result), str(truth), "--output", str(tmp_path / "out")]) == 0
    assert values(capsys.readouterr().out)["SEG"] == "1.00000"
    assert (tmp_path / "out" / "report.html").is_file()


def test_an_object_on_a_left_out_cell_is_not_invented(folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    """However large the result draws the cell: its marker is in it."""
    result, truth = folders
    for path in sorted((truth / "SEG").iterdir()):
        label = read_labels(path)
        write_labels(path, np.where(label == 1, 0, label))
        grown = np.zeros(label.shape, bool)
        y, x = np.argwhere(label == 1).mean(0).round().astype(int)
        grown[max(y - 30, 0) : y + 30, max(x - 30, 0) : x + 30] = True
        name = path.name.replace("man_seg", "mask")
        write_labels(result / name, np.where(grown & (label == 0), 1, label))
    assert main(["evaluate", str(result), str(truth)]) == 0
    printed = values(capsys.readouterr().out)
    assert {printed[name] for name in ("SEG", "DET", "precision", "F1", "mean_precision")} == {"1.00000"}


def pictures(folder: Path, names: str = "abc") -> np.ndarray:
    label = np.zeros((20, 30), np.uint8)
    label[2:8, 2:8], label[12:18, 20:28] = 1, 2
    for name in names:
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(label * 50).save(folder / part / f"{name}.png")
    return label


def test_masks_of_paired_folders(tmp_path: Path, capsys: pytest.CaptureFixture):
    label = pictures(tmp_path / "set")
    for name in "abc":
        write_labels(tmp_path / "masks" / f"{name}_mask.tif", np.where(label == 2, 0, label) if name == "b" else label)
    arguments = ["evaluate", str(tmp_path / "masks"), str(tmp_path / "set")]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 0
    printed = values(capsys.readouterr().out)
    assert (printed["SEG"], printed["recall"]) == ("0.83333", "0.83333")  # one of six cells is missed
    assert "missed: cell 100" in (tmp_path / "out" / "report.html").read_text()
    (tmp_path / "masks" / "b_mask.tif").unlink()
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Scored: 2 of 3 images; 1 have no mask, such as b_mask.tif." in out
    assert values(out)["SEG"] == "1.00000"
    assert main([*arguments, "--frames", "0"]) == 0
    assert "2 cells in 1 frame" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "set" / "masks"), str(tmp_path / "set")]) == 0  # names of images are found
    capsys.readouterr()
    for folder in ("out", "set/images"):  # images are not masks of themselves
        assert main(["evaluate", str(tmp_path / folder), str(tmp_path / "set")]) == 1
        assert "names such as a_mask.tif are expected." in capsys.readouterr().err
    write_labels(tmp_path / "masks" / "a_mask.tif", label[1:])
    assert main([*arguments, "--output", str(tmp_path / "no")]) == 1
    assert f"a_mask.tif is {label.shape[0] - 1}×{label.shape[1]} pixels" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_frames_that_are_not_there_and_masks_of_no_image_are_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    label = pictures(tmp_path / "set")
    for name in "abc":
        write_labels(tmp_path / "masks" / f"{name}_mask.tif", label)
    write_label_pages(tmp_path / "masks" / "z_mask.tif", [label] * 5)  # one mask, whatever its pages
    arguments = ["evaluate", str(tmp_path / "masks"), str(tmp_path / "set")]
    assert main([*arguments, "--frames", "1-4"]) == 0
    printed = capsys.readouterr().out
    assert "Without truth: frames 3, 4.\n" in printed
    assert "Left out: 1 mask(s) of no image that has truth, such as z_mask.tif.\n" in printed
    assert "4 cells in 2 frames" in printed
    cells = str(tmp_path / "masks" / "a_mask.tif")
    assert main(["evaluate", cells, cells, "--frames", "0,7"]) == 0
    assert "Without truth: frames 7.\n" in capsys.readouterr().out


def test_frames_that_a_folder_of_truth_lacks_are_said(folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    arguments = ["evaluate", *map(str, folders), "--frames"]
    assert main([*arguments, "1-9"]) == 0
    assert "Without truth: frames 3, 4, 5, 6, 7, ….\n" in capsys.readouterr().out
    assert main([*arguments, "0-2"]) == 0
    assert "Without truth: frames" not in capsys.readouterr().out


@pytest.mark.parametrize("pictures", ["outlines", "overlays"])  # the second one by bundles that were trained earlier
def test_masks_of_a_whole_challenge_set(pictures: str, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    for sequence in ("01", "02"):
        for frame in range(3):
            label = read_labels(synthetic / f"{sequence}_GT/SEG/man_seg{frame:03d}.tif")
            write_labels(tmp_path / f"{sequence}_RES/mask{frame:03d}.tif", label)
            (tmp_path / f"{pictures}/{sequence}_RES").mkdir(parents=True, exist_ok=True)  # as the bundle draws them
            Image.new("RGB", label.shape[::-1]).save(tmp_path / f"{pictures}/{sequence}_RES/mask{frame:03d}.png")
    assert main(["evaluate", str(tmp_path), str(synthetic)]) == 0
    printed = capsys.readouterr().out
    assert "6 frames" in printed
    assert (values(printed)["SEG"], values(printed)["DET"]) == ("1.00000", "1.00000")


def test_masks_of_nuclei_in_one_file_each(tmp_path: Path, capsys: pytest.CaptureFixture):
    label = np.zeros((20, 30), np.uint8)
    label[2:8, 2:8], label[12:18, 20:28] = 1, 2
    for name in ("one", "two"):
        (tmp_path / "set" / name / "images").mkdir(parents=True)
        (tmp_path / "set" / name / "masks").mkdir()
        Image.fromarray(label).save(tmp_path / "set" / name / "images" / f"{name}.png")
        for cell in (1, 2):
            Image.fromarray(np.where(label == cell, 255, 0).astype(np.uint8)).save(
                tmp_path / "set" / name / "masks" / f"{cell}.png"
            )
        write_labels(tmp_path / "masks" / f"{name}_mask.tif", label)
    assert main(["evaluate", str(tmp_path / "masks"), str(tmp_path / "set")]) == 0
    printed = values(capsys.readouterr().out)
    assert {printed[name] for name in PERFECT} == {"1.00000"}


def three_cells() -> np.ndarray:
    label = np.zeros((20, 30), np.uint8)
    label[2:8, 2:8], label[2:8, 8:14], label[12:18, 20:28] = 1, 2, 3
    return label


@pytest.mark.parametrize("kind", ["palette", "three channels", "float", "white is 0"])
def test_a_file_of_numbered_cells_in_any_form(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    label = three_cells()
    picture = Image.fromarray(label)
    path = tmp_path / "cells.png"
    if kind == "palette":
        picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
        picture.save(path)
    elif kind == "three channels":
        picture.convert("RGB").save(path)
    else:
        path = tmp_path / "cells.tif"
        options = {"photometric": "miniswhite" if kind == "white is 0" else "minisblack"}
        tifffile.imwrite(path, label.astype(np.float32 if kind == "float" else np.uint16), **options)
    assert main(["evaluate", str(path), str(path)]) == 0
    printed = values(capsys.readouterr().out)
    assert {printed[name] for name in PERFECT} == {"1.00000"}


def test_probabilities_against_cells_in_the_colours_of_a_palette(tmp_path: Path, capsys: pytest.CaptureFixture):
    """The palette's indices are the truth; apart, the cells are those of a threshold."""
    label = np.where(np.arange(30) == 8, 0, three_cells()).astype(np.uint8)
    picture = Image.fromarray(label)
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture.save(tmp_path / "truth.png")
    tifffile.imwrite(tmp_path / "result.tif", np.where(label > 0, 0.8, 0.2).astype(np.float32))
    assert main(["evaluate", str(tmp_path / "result.tif"), str(tmp_path / "truth.png")]) == 0
    assert values(capsys.readouterr().out)["rand_error"] == "0.00000"


def test_one_blob_of_255_is_one_cell(tmp_path: Path, capsys: pytest.CaptureFixture):
    """And no stack of probabilities: its truth is numbered cells."""
    label = three_cells()
    Image.fromarray(label).save(tmp_path / "truth.png")
    Image.fromarray(np.where(label == 3, 255, 0).astype(np.uint8)).save(tmp_path / "result.png")
    assert main(["evaluate", str(tmp_path / "result.png"), str(tmp_path / "truth.png")]) == 0
    printed = values(capsys.readouterr().out)
    assert (printed["recall"], printed["precision"]) == ("0.33333", "1.00000")


def test_masks_that_store_white_as_0_are_not_inverted(folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    result, truth = folders
    for path in result.iterdir():
        tifffile.imwrite(path, read_labels(path).astype(np.uint16), photometric="miniswhite")
    assert main(["evaluate", str(result), str(truth)]) == 0
    assert values(capsys.readouterr().out)["SEG"] == "1.00000"


def test_masks_of_two_digits_are_named(folders: tuple[Path, Path], capsys: pytest.CaptureFixture):
    result, truth = folders
    for frame in range(3):
        (result / f"mask{frame:03d}.tif").rename(result / f"mask{frame:02d}.tif")
    assert main(["evaluate", str(result), str(truth)]) == 1
    assert "mask00.tif: the number of a frame has at least three digits" in capsys.readouterr().err


def test_the_order_of_names_changes_no_score(tmp_path: Path):
    """Frames are scored in the order of the data set, whatever their masks are called."""
    for number, name in enumerate(("a", "b")):
        for folder, suffix in (("set/images", ""), ("set/masks", "")):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(three_cells()).save(tmp_path / folder / f"{name}{suffix}.png")
        write_labels(tmp_path / "masks" / str(1 - number) / f"{name}_mask.tif", three_cells())
    assert main(["evaluate", str(tmp_path / "masks"), str(tmp_path / "set"), "--output", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "frames.csv").open() as file:
        assert [row["frame"] for row in csv.DictReader(file)] == ["0", "1"]
