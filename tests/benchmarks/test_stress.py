from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer
from PIL import Image
from workflows import BUNDLE

from benchmarks.stress import command
from benchmarks.stress.measuring import EMPTY, PLAIN, ViewScore, summarise
from benchmarks.stress.perturbations import STRESS, perturbed, same_cells
from experiments import basic_unet as experiment
from experiments.basic_unet import SizedBasicUNet
from unetpipe import Predictor
from unetpipe.bundle.carrying import plain_config
from unetpipe.bundle.writing import read_configs, write_bundle
from unetpipe.cli.main import main
from unetpipe.metrics.detection import mean_precision
from unetpipe.metrics.matching import within_known
from unetpipe.networks import save_state

OVERLAY = Path(experiment.__file__).with_name("overlay.json")


def view(name: str, scores: dict[int, float], unperturbed: dict[int, float], largest: int = 100) -> ViewScore:
    return ViewScore(name, "1", "SEG", scores, unperturbed, 1, largest, 50.0, 40.0)


def test_changes_are_of_the_cells_that_a_view_shows() -> None:
    whole = {1: 0.8, 2: 0.4}
    plain, crop = summarise([view(PLAIN, whole, whole), view("crop, top left", {2: 0.3}, {2: 0.4}, largest=25)])
    assert (plain.score, plain.count, plain.change, plain.largest) == (pytest.approx(0.6), 2, 0, 2)
    assert (crop.score, crop.count, crop.change, crop.largest) == (0.3, 1, pytest.approx(-0.1), 0.5)
    assert command.is_lost(crop)
    assert not command.is_lost(plain)


def test_an_object_in_an_empty_field_is_a_loss() -> None:
    fields = [ViewScore(EMPTY, frame, "SEG", {}, {}, objects, 9, 50.0, 40.0) for frame, objects in (("1", 0), ("2", 2))]
    rows = summarise(fields)
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


@pytest.mark.parametrize("name", ["crop, top left", "crop, bottom right", "turned 30°"])
def test_what_is_found_of_cut_cells_does_not_count(name: str) -> None:
    truth = np.zeros((300, 320), np.int32)
    truth[100:160, 110:170], truth[240:300, 0:60], truth[10:60, 230:300] = 1, 2, 3  # 2 and 3 are cut by the crops
    image = torch.from_numpy(truth[None].astype(np.float32))
    shown = perturbed(name, image, truth)
    assert shown.known is not None
    assert 1 in shown.truth
    assert not np.isin(shown.truth, [2, 3]).all()
    cells = shown.image[0].round().int().numpy()  # the cut cells are found as well
    assert mean_precision(*within_known(shown.truth, cells, shown.known)) > 0.8
    assert mean_precision(shown.truth, cells) <= 0.5

    same = same_cells(image, truth, shown.truth)
    assert same.known is not None
    assert set(np.unique(same.truth)) == set(np.unique(shown.truth))
    assert mean_precision(*within_known(same.truth, truth, same.known)) == 1
    assert mean_precision(same.truth, truth) <= 0.5


def test_the_table_and_the_picture_are_written(
    synthetic: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [str(trained), str(synthetic), "--frames", "0", "--sequences", "1", "--views", "gain 0.5", EMPTY]
    status = command.main([*arguments, "--output", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "gain 0.5" in printed
    assert status == any(line.endswith("<") for line in printed.splitlines())  # what costs too much
    rows = list(csv.DictReader((tmp_path / "out" / "stress.csv").open()))
    assert [row["view"] for row in rows][:2] == [PLAIN, "gain 0.5"]
    with Image.open(tmp_path / "out" / "stress.png") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) > 200


@pytest.fixture
def basic_unet(tmp_path: Path) -> Path:
    """A bundle as a training with the overlay of MONAI's BasicUNet writes it, with random weights."""
    values = {"channels": [4, 4, 4, 4, 8], "in_channels": 1, "amp": False, "min_size": 10, "threshold": 0.4}
    names = [BUNDLE / "configs" / "train.json", OVERLAY]
    training = {**read_configs([str(name) for name in names]), **values, "tile": 48}
    write_bundle(BUNDLE, tmp_path / "basic", values, training=plain_config(training))
    torch.manual_seed(0)
    network = SizedBasicUNet(1, 2, values["channels"])
    save_state(network.state_dict(), tmp_path / "basic" / "models" / "model.pt")
    return tmp_path / "basic"


def test_a_bundle_is_scored_through_its_own_inferer(basic_unet: Path, synthetic: Path, capsys) -> None:
    arguments = [str(basic_unet), str(synthetic), "--frames", "0", "--sequences", "1", "--views", "gain 0.5"]
    status, printed = command.main(arguments), capsys.readouterr().out
    assert "gain 0.5" in printed
    assert status == any(line.endswith("<") for line in printed.splitlines())  # what costs too much

    image = np.random.default_rng(0).normal(100, 10, (70, 90)).astype(np.float32)
    predictor = Predictor.load(basic_unet)
    _, probability, _ = predictor.segment(image)
    own = SlidingWindowInferer(roi_size=(48, 48), overlap=0.25, mode="gaussian")
    normalized = torch.from_numpy((image - image.mean()) / image.std())[None, None]
    with torch.no_grad():
        expected = 1 - torch.softmax(own(normalized, predictor.network), dim=1)[0, 0]
    np.testing.assert_allclose(probability, expected, atol=1e-5)


def test_a_dry_run_does_not_count_the_tiles_of_another_inferer(basic_unet: Path, synthetic: Path, capsys) -> None:
    arguments = ["--bundle", str(basic_unet), "--output", str(basic_unet / "masks")]
    assert main(["segment", str(synthetic / "01"), *arguments, "--dry-run"]) == 1
    assert "this bundle segments by SlidingWindowInferer; leave out --dry-run" in capsys.readouterr().err
    assert main(["segment", str(synthetic / "01"), *arguments]) == 0


def test_a_mistake_is_one_sentence(synthetic: Path) -> None:
    with pytest.raises(SystemExit, match="no model 'nothing'"):
        command.main(["nothing", str(synthetic)])
    with pytest.raises(SystemExit, match="no truth for the frames 900"):
        command.main(["nuclei", str(synthetic), "--frames", "900"])
