"""``unetpipe evaluate``: the table it prints, the files it writes, and what it says of bad results."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.data import read_image, read_labels, write_labels


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
    assert (printed["SEG"], printed["DET"], printed["TRA"]) == (seg, det, "–")
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
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["v_info"]["value"] == pytest.approx(
        0.99931919, abs=1e-6
    )


@pytest.mark.parametrize("missing", ["result", "frame", "truth"])
def test_what_is_missing_is_named(missing: str, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    result, truth = tmp_path / "RES", synthetic / "01_GT"
    if missing != "result":
        for frame in (0, 1):
            write_labels(result / f"mask{frame:03d}.tif", np.zeros((96, 128), np.int32))
    if missing == "truth":
        truth = tmp_path / "nowhere"
    assert main(["evaluate", str(result), str(truth), "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("Error: ")
    assert "\n" not in said
    assert {"result": str(result), "frame": "mask002.tif", "truth": str(truth)}[missing] in said
    assert not (tmp_path / "out").exists()
