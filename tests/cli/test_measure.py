"""Measuring and encoding masks on the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.data import find_records, read_truth, write_labels


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
    true, found = table(tmp_path / "out" / "cells.csv")
    assert {**true, "of": ""} == {**found, "of": ""}
    assert 1500 < float(true["density"]) < 4500
    assert 0.3 < float(true["hexagonal"]) < 0.8
    assert Image.open(tmp_path / "out" / record["mask_name"].replace("_mask.tif", "_mask_neighbours.png")).size == (
        768,
        576,
    )


def test_submission(tmp_path: Path):
    write_labels(tmp_path / "masks" / "one_mask.tif", np.array([[0, 2, 2], [1, 2, 0]]))
    write_labels(tmp_path / "masks" / "none_mask.tif", np.zeros((2, 3), int))
    assert main(["encode", str(tmp_path / "masks"), "--output", str(tmp_path / "s.csv")]) == 0
    assert (tmp_path / "s.csv").read_text() == "ImageId,EncodedPixels\nnone,\none,2 1\none,3 3\n"


@pytest.mark.parametrize("verb", ["measure", "encode"])
def test_no_masks_is_one_sentence(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main([verb, str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
