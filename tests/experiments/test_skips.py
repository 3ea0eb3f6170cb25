"""Autoencoder and U-Nets train on MNIST's format, and the table has the baselines beside them."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import skips
from unetpipe.cli.main import main


def write(path: Path, side: int = 8) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, side, side), np.uint8)
    path.write_bytes(struct.pack(">iiii", 0x803, *pixels.shape) + pixels.tobytes())


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    write(tmp_path / "t-images-idx3-ubyte")
    arguments = ["skips", str(tmp_path), "--output", str(tmp_path / "out"), "--channels", "[4,1]"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--max-epochs", "1", "--steps-per-epoch", "2"])
    monkeypatch.setattr(skips, "VARIANTS", {"no skips": [], "all": [0, 1]})
    skips.main()
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(scores) == ["mean image", "block means", "PCA, 4 numbers", "no skips", "all"]
    assert all(0 <= score <= 1 for score in scores.values())
    assert np.asarray(Image.open(tmp_path / "out" / "reconstructions.png")).shape == (3 * 8 * 6, 3 * 8 * 2)
    kept = json.loads((tmp_path / "out" / "all" / "configs" / "train.json").read_text())
    assert kept["network_class"].endswith("SmallUNet")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    for trained in ("no_skips", "all"):  # neither tells cells from background
        arguments = ["--bundle", str(tmp_path / "out" / trained), "--output", str(tmp_path / "masks")]
        assert main(["segment", str(tmp_path / "a.png"), *arguments]) == 1
        assert "one output channel, such as an autoencoder" in capsys.readouterr().err
    assert not list((tmp_path / "masks").glob("*.tif"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--channels", "[4,4,4]"], r"--channels \[4,4,4\] must be two whole numbers"),
        (["--channels", "4,x"], "must be two whole numbers"),
        (["--max-epochs", "0"], "must be at least 1"),
        (["--output", "t-images-idx3-ubyte"], "cannot be made"),
    ],
)
def test_wrong_arguments_are_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "t-images-idx3-ubyte")
    monkeypatch.setattr(sys, "argv", ["skips", ".", "--output", "out", *arguments])
    with pytest.raises(SystemExit, match=rf"^Error: .*{words}.*$"):
        skips.main()
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("sides", "words"), [([], "holds no file of images"), ([8, 12], "must be alike"), ([9], "multiples of 4")]
)
def test_wrong_images_are_one_sentence(sides: list[int], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for side in sides:
        write(tmp_path / f"t{side}-images-idx3-ubyte", side)
    monkeypatch.setattr(sys, "argv", ["skips", str(tmp_path), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match=rf"^Error: .*{words}.*$"):
        skips.main()
    assert not (tmp_path / "out").exists()


def test_block_means_and_principal_components():
    batch = np.array([[[0.0, 2], [4, 6]], [[1, 1], [1, 1]]], np.float32)
    assert np.array_equal(skips.block_means(batch, 2), [[[3, 3], [3, 3]], [[1, 1], [1, 1]]])
    assert np.allclose(skips.principal_components(batch, batch, 1), batch, atol=1e-5)  # two images lie on a line
