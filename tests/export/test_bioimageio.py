"""A bioimage.io package: its own library's test, and its prediction against ours."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bioimageio.core import predict, test_model
from bioimageio.spec import load_model_description
from bioimageio.spec.model import v0_5

from unetpipe.bundle.models import add_model
from unetpipe.bundle.writing import find_bundle, write_bundle
from unetpipe.cli.main import main
from unetpipe.io import read_image
from unetpipe.networks import save_state
from unetpipe.networks.baselines import SmallUNet
from unetpipe.predictor import Predictor

test_model.__test__ = False  # it is the library's, not one of ours


@pytest.fixture(scope="module")
def holder(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that holds the trained model by the name "mine"."""
    bundle = tmp_path_factory.mktemp("zoo") / "bundle"
    shutil.copytree(find_bundle(), bundle, ignore=shutil.ignore_patterns("models"))
    add_model(trained, bundle, "mine")
    return bundle


@pytest.fixture(scope="module")
def package(holder: Path) -> Path:
    """The package of that model."""
    path = holder.parent / "mine.zip"
    arguments = ["export", str(holder), "--format", "bioimageio", "--model", "mine", "--output", str(path)]
    assert main(arguments) == 0
    return path


def test_the_librarys_own_test_passes(package: Path) -> None:
    summary = test_model(package)
    assert summary.status == "passed", summary.format()


def test_output_is_declared_smaller_by_the_margins_and_without_halo(package: Path, holder: Path) -> None:
    description = load_model_description(package)
    network = Predictor.load(holder, "mine").network
    for axis in description.outputs[0].axes[2:]:
        assert not isinstance(axis, v0_5.WithHalo)
        assert axis.size.offset == -2 * network.margin
    for axis in description.inputs[0].axes[2:]:
        assert (axis.size.min, axis.size.step) == (network.smallest_size, network.step)


def test_prediction_of_the_mirrored_image_equals_ours(package: Path, holder: Path, synthetic: Path) -> None:
    image = read_image(synthetic / "02" / "t001.tif")[0].astype(np.float32)
    segmenter = Predictor.load(holder, "mine", amp=False)
    ours = segmenter(image, return_probabilities=True)[1]
    normalized = np.asarray(segmenter.normalize({"image": torch.tensor(image[None])})["image"])[0]
    margin = segmenter.network.margin
    more = [segmenter.network.input_size(side) - 2 * margin - side for side in image.shape]
    mirrored = np.pad(normalized, [(margin, margin + extra) for extra in more], mode="reflect")
    sample = predict(model=package, inputs={"image": mirrored[None, None]}, skip_preprocessing=True)
    theirs = np.asarray(sample.members["probability"].data)[0, 1, : image.shape[0], : image.shape[1]]
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_it_normalises_as_the_bundle_does(package: Path, holder: Path, synthetic: Path) -> None:
    segmenter = Predictor.load(holder, "mine", amp=False)
    height, width = (segmenter.network.valid_sizes(side)[-1] for side in (96, 128))
    image = read_image(synthetic / "01" / "t000.tif")[:, :height, :width].astype(np.float32)
    normalized = segmenter.normalize({"image": torch.tensor(image)})["image"]
    with torch.no_grad():
        ours = torch.softmax(segmenter.network(torch.as_tensor(np.asarray(normalized))[None]), dim=1)
    sample = predict(model=package, inputs={"image": image[None]})
    np.testing.assert_allclose(np.asarray(sample.members["probability"].data), ours.numpy(), atol=1e-4)


def test_test_input_can_be_ones_own_image(holder: Path, synthetic: Path, tmp_path: Path) -> None:
    path, image = tmp_path / "own.zip", synthetic / "02" / "t000.tif"
    arguments = ["export", str(holder), "--format", "bioimageio", "--model", "mine", "--output", str(path)]
    assert main([*arguments, "--sample", str(image)]) == 0
    with np.load(path) as files:
        taken = files["test_input"][0, 0]
    whole = read_image(image)[0]
    top, left = ((whole.shape[axis] - taken.shape[axis]) // 2 for axis in (0, 1))
    np.testing.assert_array_equal(taken, whole[top : top + taken.shape[0], left : left + taken.shape[1]])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "mine", "--output", "mine"], "ends in .zip"),
        (["--model", "yours", "--output", "x.zip"], "no model 'yours'; it has mine"),
        (["--model", "mine", "--output", "x.zip", "--half"], "--half is for bundles"),
        (["--model", "mine", "--output", "x.zip", "--sample", "small.png"], "small.png is 8×9 pixels"),
        (["--model", "mine", "--output", "x.zip", "--sample", "colour.png"], "has 3 channel"),
    ],
)
def test_mistakes_are_one_sentence(
    holder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, arguments: list[str], sentence: str
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.new("L", (9, 8)).save("small.png")
    Image.new("RGB", (200, 200)).save("colour.png")
    assert main(["export", str(holder), "--format", "bioimageio", *arguments]) == 1
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colour.png", "small.png"]


def test_without_the_library_it_says_what_to_install(
    holder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    assert main(["export", str(holder), "--format", "bioimageio", "--output", str(tmp_path / "x.zip")]) == 1
    assert 'pip install "unetpipe[zoo]"' in capsys.readouterr().err


def test_flags_of_packages_are_refused_for_bundles(trained: Path, tmp_path: Path, capsys) -> None:
    assert main(["export", str(trained), "--model", "mine", "--output", str(tmp_path / "out")]) == 1
    assert "--format bioimageio" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_other_networks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"network_class": "unetpipe.networks.baselines.SmallUNet", "channels": [2, 2], "norm": None}
    write_bundle(find_bundle(), tmp_path / "small", settings)
    save_state(SmallUNet(channels=(2, 2)).state_dict(), tmp_path / "small" / "models" / "model.pt")
    arguments = ["export", str(tmp_path / "small"), "--format", "bioimageio", "--output", str(tmp_path / "a.zip")]
    assert main(arguments) == 1
    assert "has SmallUNet and NormalizeIntensityd" in capsys.readouterr().err
