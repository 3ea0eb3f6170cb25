"""The models that come with the bundle: small enough, whole, and at work on the data they are made for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.stress.perturbations import empty_places, empty_view, perturbed
from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.main import main
from unetpipe.datasets import Record, find_records, read_truth
from unetpipe.io import read_labels
from unetpipe.io.images import read_image
from unetpipe.metrics import object_jaccards
from unetpipe.predictor import Predictor

BUNDLE = find_bundle()


def test_every_model_has_a_name_and_is_small() -> None:
    assert model_names(BUNDLE) == ["dic_hela", "fluo_gowt1", "fluo_msc", "fluo_sim", "isbi2012", "nuclei", "phc_u373"]
    sizes = [path.stat().st_size for path in BUNDLE.glob("models/**/*.pt")]
    assert len(sizes) == 7
    assert max(sizes) < 16e6
    assert sum(sizes) < 60e6
    assert [path.name for path in BUNDLE.glob("models/*.pt")] == ["model.pt"]


@pytest.mark.parametrize("model", ["dic_hela", "fluo_gowt1", "fluo_msc", "fluo_sim", "phc_u373"])
def test_values_of_a_model_are_complete(model: str) -> None:
    values = json.loads((BUNDLE / "models" / model / "inference.json").read_text())
    assert set(values) == {
        *("weights", "in_channels", "out_channels", "network_class", "channels", "norm", "normalization"),
        *("threshold", "marker_threshold", "merge_threshold", "rotations", "min_size", "ridge_refill_radius"),
        *("pixel_size", "trained_on"),
    }


def test_default_values_are_those_of_dic_hela() -> None:
    default = json.loads((BUNDLE / "configs" / "inference.json").read_text())
    values = json.loads((BUNDLE / "models" / "dic_hela" / "inference.json").read_text())
    assert {key: default[key] for key in values} == values


@pytest.mark.parametrize(
    ("model", "folder", "frame", "least"),
    [
        ("dic_hela", "ctc/DIC-C2DH-HeLa", 31, 0.7),
        ("phc_u373", "ctc/PhC-C2DH-U373", 1, 0.7),
        ("fluo_gowt1", "ctc/Fluo-N2DH-GOWT1", 33, 0.7),
        ("fluo_sim", "ctc/Fluo-N2DH-SIM+", 39, 0.7),
        ("fluo_msc", "ctc/Fluo-C2DL-MSC", 19, 0.6),
        ("isbi2012", "isbi2012", 3, 0.5),
        ("nuclei", "dsb2018/stage1_train", 30, 0.7),
    ],
)
def test_model_finds_the_cells_it_is_made_for(
    real_data: Path, model: str, folder: str, frame: int, least: float
) -> None:
    """The frames trained the models or chose thresholds: this shows that weights and values belong together."""
    record = record_of(real_data / folder, frame)
    labels = Predictor.load(BUNDLE, model)(read_image(record["image"], record.get("page"))[0])
    assert object_jaccards(read_truth(record)[0], labels).mean() > least


@pytest.mark.parametrize(
    ("model", "folder", "frame", "median_cell"),
    [
        ("dic_hela", "ctc/DIC-C2DH-HeLa", 31, 9795),
        ("phc_u373", "ctc/PhC-C2DH-U373", 1, 3665),
        ("fluo_gowt1", "ctc/Fluo-N2DH-GOWT1", 33, 2818),
        ("fluo_sim", "ctc/Fluo-N2DH-SIM+", 39, 2003),
        ("fluo_msc", "ctc/Fluo-C2DL-MSC", 19, 4626),
    ],
)
def test_there_are_no_cells_in_an_empty_field(
    real_data: Path, model: str, folder: str, frame: int, median_cell: int
) -> None:
    """Normalisation blows up the contrast of an image that shows nothing but ground."""
    record = record_of(real_data / folder, frame)
    label, known = read_truth(record)
    place = empty_places((label == 0) & known)[0]
    field = empty_view(torch.from_numpy(read_image(record["image"]).astype(np.float32)), tuple(place.tolist()))
    labels = Predictor.load(BUNDLE, model, rotations=0)(field.image[0].numpy())
    assert labels.shape == (512, 512)
    assert np.bincount(labels.ravel())[1:].max(initial=0) <= 0.1 * median_cell


@pytest.mark.parametrize(
    ("model", "folder", "frame"),
    [
        ("dic_hela", "ctc/DIC-C2DH-HeLa", 20),
        ("phc_u373", "ctc/PhC-C2DH-U373", 1),
        ("fluo_sim", "ctc/Fluo-N2DH-SIM+", 39),
        ("fluo_msc", "ctc/Fluo-C2DL-MSC", 19),
    ],
)
def test_flat_ground_around_the_image_and_noise_cost_little(
    real_data: Path, model: str, folder: str, frame: int
) -> None:
    record = record_of(real_data / folder, frame)
    image, truth = torch.from_numpy(read_image(record["image"]).astype(np.float32)), read_truth(record)[0]
    predictor, scores = Predictor.load(BUNDLE, model, rotations=0), {}
    for name in ("plain", "flat ground", "noise 0.3 sd"):
        view = perturbed(name, image, truth)
        top, left = view.corner
        labels = predictor(view.image[0].numpy())[top : top + truth.shape[0], left : left + truth.shape[1]]
        scores[name] = object_jaccards(truth, labels).mean()
    assert min(scores.values()) >= scores["plain"] - 0.1


def record_of(folder: Path, frame: int) -> Record:
    (record,) = [record for record in find_records(folder) if record["frame"] == frame]
    return record


def test_rotations_are_averaged_where_they_are_asked_for(real_data: Path, tmp_path: Path) -> None:
    image = real_data / "ctc" / "PhC-C2DH-U373" / "01" / "t005.tif"
    for name, choice in (("default", []), ("eight", ["--rotations", "8"]), ("one", ["--rotations", "0"])):
        folder = str(tmp_path / name)
        assert main(["segment", str(image), "--model", "phc_u373", *choice, "--output", folder]) == 0
    default, eight, one = (read_labels(tmp_path / name / "mask005.tif") for name in ("default", "eight", "one"))
    np.testing.assert_array_equal(default, one)
    assert (eight != one).any()


def test_nuclei_in_grey_and_colour_on_dark_and_bright_ground(real_data: Path) -> None:
    (record,) = [record for record in find_records(real_data / "dsb2018" / "stage1_train") if record["frame"] == 30]
    grey = read_image(record["image"])[0]
    segment = Predictor.load(BUNDLE, "nuclei")
    labels = segment(grey)
    np.testing.assert_array_equal(segment(np.dstack([grey] * 3)), labels)
    assert (segment(255 - grey) != labels).mean() < 1e-3


def test_default_model_is_dic_hela(real_data: Path, tmp_path: Path) -> None:
    image = real_data / "ctc" / "DIC-C2DH-HeLa" / "01" / "t000.tif"
    for name, choice in (("default", []), ("named", ["--model", "dic_hela"])):
        assert main(["segment", str(image), *choice, "--output", str(tmp_path / name)]) == 0
    default, named = (read_labels(tmp_path / name / "mask000.tif") for name in ("default", "named"))
    assert default.max() > 5
    np.testing.assert_array_equal(default, named)
