"""The models that come with the bundle: small enough, whole, and at work on the data they are made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.main import main
from unetpipe.datasets import find_records, read_truth
from unetpipe.io import read_labels
from unetpipe.io.images import read_image
from unetpipe.metrics import object_jaccards
from unetpipe.predictor import Predictor

BUNDLE = find_bundle()


def test_every_model_has_a_name_and_is_small() -> None:
    assert model_names(BUNDLE) == ["dic_hela", "isbi2012", "nuclei", "phc_u373"]
    files = list(BUNDLE.glob("models/**/*.pt"))
    assert len(files) == 4
    assert all(path.stat().st_size < 25e6 for path in files)
    assert [path.name for path in BUNDLE.glob("models/*.pt")] == ["model.pt"]


@pytest.mark.parametrize(
    ("model", "folder", "frame", "least"),
    [
        ("dic_hela", "ctc/DIC-C2DH-HeLa", 39, 0.7),
        ("phc_u373", "ctc/PhC-C2DH-U373", 1, 0.7),
        ("isbi2012", "isbi2012", 3, 0.5),
        ("nuclei", "dsb2018/stage1_train", 30, 0.7),
    ],
)
def test_model_finds_the_cells_it_is_made_for(
    real_data: Path, model: str, folder: str, frame: int, least: float
) -> None:
    """The frames trained the models: this shows that weights and values belong together, not how good they are."""
    (record,) = [record for record in find_records(real_data / folder) if record["frame"] == frame]
    labels = Predictor.load(BUNDLE, model)(read_image(record["image"], record.get("page"))[0])
    assert object_jaccards(read_truth(record)[0], labels).mean() > least


def test_u373_averages_over_the_symmetries_unless_told_not_to(real_data: Path, tmp_path: Path) -> None:
    image = real_data / "ctc" / "PhC-C2DH-U373" / "01" / "t005.tif"
    for name, choice in (("default", []), ("eight", ["--rotations", "8"]), ("one", ["--rotations", "0"])):
        folder = str(tmp_path / name)
        assert main(["segment", str(image), "--model", "phc_u373", *choice, "--output", folder]) == 0
    default, eight, one = (read_labels(tmp_path / name / "mask005.tif") for name in ("default", "eight", "one"))
    np.testing.assert_array_equal(default, eight)
    assert (default != one).any()


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
