from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.bundle.models import add_model, export_model, inference_configs, model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.io import read_labels
from unetpipe.predictor import Predictor


@pytest.fixture(scope="module")
def holder(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the bundle that holds the trained model by the name "mine"."""
    bundle = tmp_path_factory.mktemp("holder") / "bundle"
    shutil.copytree(find_bundle(), bundle, ignore=shutil.ignore_patterns("models"))
    add_model(trained, bundle, "mine")
    return bundle


def test_overlay_holds_the_values_of_the_model_and_no_place(holder: Path, trained: Path) -> None:
    overlay = json.loads((holder / "models" / "mine" / "inference.json").read_text())
    theirs = json.loads((trained / "configs" / "inference.json").read_text())
    for key in ("channels", "threshold", "marker_threshold", "min_size", "in_channels"):
        assert overlay[key] == theirs[key]
    assert not {"dataset_dir", "output_dir", "network", "device", "imports"} & overlay.keys()
    assert str(trained) not in json.dumps(overlay)
    assert model_names(holder) == ["mine"]


def test_model_by_name_segments_like_its_own_bundle(holder: Path, trained: Path, synthetic: Path, tmp_path: Path):
    image = np.array(Image.open(synthetic / "02" / "t000.tif"))
    own = Predictor.load(trained, amp=False)(image, return_probabilities=True)[1]
    named = Predictor.load(holder, "mine", amp=False)(image, return_probabilities=True)[1]
    np.testing.assert_allclose(named, own, atol=5e-3)  # half precision has 11 bits
    arguments = ["segment", str(synthetic / "02"), "--bundle", str(holder), "--model", "mine"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "mask000.tif"), Predictor.load(holder, "mine")(image))


def test_model_exported_by_name_is_a_bundle_of_its_own(holder: Path, trained: Path, synthetic: Path, tmp_path: Path):
    out = tmp_path / "out"
    export_model(holder, out, "mine")
    for name in ("train.json", "inference.json"):  # it trains as it segments
        assert json.loads((out / "configs" / name).read_text())["channels"] == [4, 8]
    image = np.array(Image.open(synthetic / "02" / "t000.tif"))
    np.testing.assert_array_equal(
        Predictor.load(out, amp=False)(image), Predictor.load(holder, "mine", amp=False)(image)
    )


def test_unknown_model_is_one_sentence(holder: Path, synthetic: Path, tmp_path: Path, capsys) -> None:
    arguments = ["segment", str(synthetic / "02"), "--bundle", str(holder), "--model", "yours"]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "no model 'yours'; it has mine" in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_folder_without_config_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a bundle"):
        inference_configs(tmp_path)
