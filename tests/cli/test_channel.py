"""``--channel``: one channel of images of several, from the command line and from a trained bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from large_images import small_bundle

from unetpipe import Predictor
from unetpipe.bundle.writing import find_bundle, read_config
from unetpipe.cli.main import main
from unetpipe.io import read_labels
from unetpipe.large import OmeZarrImage

CHANNELS = np.random.default_rng(0).integers(0, 999, (3, 90, 110)).astype(np.uint16)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "a.tif", CHANNELS, imagej=True, metadata={"axes": "CYX"})
    return tmp_path / "a.tif"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "bundle", threshold=0.4, min_size=3)


def segment(image: Path, bundle: Path, *options: str) -> np.ndarray:
    output = image.parent / "out"
    assert main(["segment", str(image), "--output", str(output), "--bundle", str(bundle), *options]) == 0
    return read_labels(output / "a_mask.tif")


def test_a_channel_is_segmented(image: Path, bundle: Path, capsys: pytest.CaptureFixture) -> None:
    expected = Predictor.load(bundle)(CHANNELS[1])
    assert not np.array_equal(expected, Predictor.load(bundle)(CHANNELS[0]))
    assert np.array_equal(segment(image, bundle, "--channel", "1", "--tables"), expected)
    assert "intensity_mean_1" not in (image.parent / "out" / "cells.csv").read_text().splitlines()[0]
    assert main(["segment", str(image), "--output", str(image.parent / "no"), "--bundle", str(bundle)]) == 1
    assert "a.tif has 3 channel(s), the network takes 1; choose one of them by --channel" in capsys.readouterr().err
    for option in ("3", "-1"):
        arguments = ["--output", str(image.parent / "no"), "--bundle", str(bundle), f"--channel={option}"]
        assert main(["segment", str(image), *arguments]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not (image.parent / "no").exists()


def test_a_channel_of_a_large_image(image: Path, bundle: Path) -> None:
    output = image.parent / "large"
    arguments = ["--output", str(output), "--bundle", str(bundle), "--large", "--channel", "1", "--memory", "3G"]
    assert main(["segment", str(image), *arguments]) == 0
    found = OmeZarrImage(output / "a.ome.zarr" / "labels" / "cells", labels=True)
    labels = found.read(0, slice(0, 90), slice(0, 110), np.int32)[0]
    assert np.array_equal(labels > 0, Predictor.load(bundle)(CHANNELS[1]) > 0)


def test_a_trained_bundle_knows_its_channel(image: Path, tmp_path: Path) -> None:
    trained = small_bundle(tmp_path / "trained", threshold=0.4, min_size=3, channel=2)
    assert np.array_equal(segment(image, trained), Predictor.load(trained)(CHANNELS[2]))
    assert np.array_equal(segment(image, trained, "--channel", "0"), Predictor.load(trained)(CHANNELS[0]))
    for name in ("train", "inference"):
        assert read_config(trained / "configs" / f"{name}.json")["channel"] == 2
        assert read_config(find_bundle() / "configs" / f"{name}.json")["channel"] is None


def test_bundles_of_earlier_versions(image: Path) -> None:
    """Whose inference.json has no such key."""
    earlier = Path(__file__).parents[1] / "trained_bundle"
    assert "channel" not in read_config(earlier / "configs" / "inference.json")
    assert segment(image, earlier, "--channel", "1").shape == (90, 110)


def test_check_proposes_the_channel(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in "abcde":
        for part in ("images", "masks"):
            (tmp_path / "set" / part).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path / "set" / "images" / f"{name}.tif", CHANNELS, imagej=True, metadata={"axes": "CYX"})
        tifffile.imwrite(tmp_path / "set" / "masks" / f"{name}.tif", np.kron(np.eye(9, 11), np.ones((10, 10), "u1")))
    arguments = ["check", str(tmp_path / "set"), "--output", str(tmp_path / "check.png"), "--channel", "2"]
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert "--channel 2 --set" in output
    assert "in_channels" not in output
