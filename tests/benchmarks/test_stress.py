from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.stress import command
from benchmarks.stress.measuring import EMPTY, PLAIN, ViewScore, summarise
from benchmarks.stress.perturbations import STRESS, perturbed


def view(name: str, frame: str, scores: dict[int, float], objects: int = 1, largest: int = 100) -> ViewScore:
    return ViewScore(name, frame, "SEG", scores, objects, largest, 50.0, 40.0)


def test_changes_are_of_the_cells_that_a_view_shows() -> None:
    scores = [view(PLAIN, "1", {1: 0.8, 2: 0.4}), view("crop, top left", "1", {2: 0.3}, largest=25)]
    plain, crop = summarise(scores)
    assert (plain.score, plain.count, plain.change, plain.largest) == (pytest.approx(0.6), 2, 0, 2)
    assert (crop.score, crop.count, crop.change, crop.largest) == (0.3, 1, pytest.approx(-0.1), 0.5)
    assert command.is_lost(crop)
    assert not command.is_lost(plain)


def test_an_object_in_an_empty_field_is_a_loss() -> None:
    rows = summarise([view(EMPTY, "1", {}, objects=0), view(EMPTY, "2", {}, objects=2)])
    assert (rows[0].in_empty_fields, rows[0].count, rows[0].score) == (2, 2, None)
    assert command.is_lost(rows[0])


@pytest.mark.parametrize("name", STRESS)
def test_truth_stays_where_its_cells_are(name: str) -> None:
    truth = np.zeros((300, 320), np.int32)
    truth[20:80, 30:90], truth[220:280, 240:300], truth[140:170, 150:180] = 1, 2, 3
    image = torch.from_numpy(np.where(truth > 0, 200, 100)[None].astype(np.float32))
    shown = perturbed(name, image, truth)
    top, left = shown.corner
    seen = shown.image[0, top : top + shown.truth.shape[0], left : left + shown.truth.shape[1]].numpy()
    assert set(np.unique(shown.truth)) <= {0, 1, 2, 3}
    for number in np.unique(shown.truth[shown.truth > 0]):
        ground = np.median(seen[shown.truth == 0])
        assert np.mean(seen[shown.truth == number] > ground) > 0.9


def test_the_table_and_the_picture_are_written(
    synthetic: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [str(trained), str(synthetic), "--frames", "0", "--sequences", "1", "--views", "gain 0.5", EMPTY]
    status = command.main([*arguments, "--output", str(tmp_path / "out")])
    assert status in (0, 1)
    assert "gain 0.5" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "stress.csv").open()))
    assert [row["view"] for row in rows][:2] == [PLAIN, "gain 0.5"]
    with Image.open(tmp_path / "out" / "stress.png") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) > 200


def test_a_mistake_is_one_sentence(synthetic: Path) -> None:
    with pytest.raises(SystemExit, match="no model 'nothing'"):
        command.main(["nothing", str(synthetic)])
    with pytest.raises(SystemExit, match="no truth for the frames 900"):
        command.main(["nuclei", str(synthetic), "--frames", "900"])
