"""``unetpipe train`` and ``unetpipe.train``: the weights of MONAI's own runner, its sentences, and what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from workflows import BUNDLE, SHORT, SMALL

import unetpipe
from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.predictor import Predictor

TINY: dict[str, Any] = {**SMALL, **SHORT, "num_workers": 0}
SET = ["--set", *(f"{key}={json.dumps(value)}" for key, value in TINY.items())]


def weights(bundle: Path) -> dict[str, torch.Tensor]:
    return torch.load(bundle / "models" / "model.pt", weights_only=True)


def same(one: Path, other: Path) -> bool:
    mine, theirs = weights(one), weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_the_weights_are_those_of_monai_bundle(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "training"]
    command += ["--config_file", str([str(BUNDLE / "configs" / name) for name in ("train.json", "dic_hela.json")])]
    settings = {**TINY, "dataset_dir": synthetic, "output_dir": tmp_path / "theirs"}
    for key, value in settings.items():
        command += [f"--{key}", str(value)]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    arguments = ["train", str(synthetic), "--output", str(tmp_path / "ours"), "--recipe", "dic_hela", *SET]
    assert main(arguments) == 0
    assert same(tmp_path / "ours", tmp_path / "theirs")
    printed = capsys.readouterr().out
    for part in ("4 frames with", "2 frames with", "2 epochs of 3 steps", "Time:", "s a step", "Trained bundle:"):
        assert part in printed
    config = json.loads((tmp_path / "ours" / "configs" / "inference.json").read_text())
    assert (config["pixel_size"], config["channels"]) == (0.19, [4, 8])  # of the recipe; of the settings


def test_resume_and_progress_in_a_file(synthetic: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "unetpipe", "train", str(synthetic), "--output", str(tmp_path / "a"), *SET]
    command += ["progress=true"]
    log = (tmp_path / "log").open("w+")
    subprocess.run([*command, "max_epochs=1"], check=True, stdout=log, stderr=log)
    first = torch.load(tmp_path / "a" / "checkpoints" / "last.pt", weights_only=True)
    assert first["epoch"] == 1
    subprocess.run([*command, "--resume"], check=True, stdout=log, stderr=log)
    log.seek(0)
    printed = log.read()
    assert "\r" not in printed
    assert printed.count("epoch 2 of 2; ") == 1
    assert "Resume:      after epoch 1" in printed
    assert torch.load(tmp_path / "a" / "checkpoints" / "last.pt", weights_only=True)["epoch"] == 2


def test_it_starts_from_a_bundle(synthetic: Path, trained: Path, tmp_path: Path, capsys) -> None:
    settings = {key: value for key, value in TINY.items() if key != "channels"}  # they are the bundle's
    frozen = {**settings, "learning_rate": 0.0, "ema_momentum": 1.0}
    output = unetpipe.train(synthetic, tmp_path / "a", start_from=trained, **frozen)
    assert output == tmp_path / "a"
    began, ended = weights(trained), weights(output)
    parameters = [name for name in began if "running" not in name and "num_batches" not in name]
    assert parameters
    assert all(torch.equal(began[name], ended[name]) for name in parameters)
    assert f"the weights of {trained}" in capsys.readouterr().out
    arguments = ["train", str(synthetic), "--output", str(tmp_path / "b"), "--from", str(trained)]
    assert main([*arguments, *SET, "channels=[4,16]"]) == 1
    assert "weights of another size" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_the_tile_fits_the_model_that_it_starts_from(synthetic: Path, tmp_path: Path) -> None:
    settings = {key: value for key, value in TINY.items() if key not in ("channels", "tile")}
    output = unetpipe.train(synthetic, tmp_path / "a", start_from="fluo_msc", **settings)
    values = json.loads((output / "configs" / "train.json").read_text())
    assert values["network_class"] == "unetpipe.networks.HalvedUNet"
    assert values["tile"] == 632  # 262 pixels are returned; of 444 by a UNet, 260
    assert Predictor.load(output)(np.zeros((90, 70), np.uint8)).shape == (90, 70)
    with pytest.raises(InputError, match="belongs to a training of another network"):
        unetpipe.train(synthetic, output, resume=True, **settings, channels=[24, 48, 96, 128, 128])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "max_epoch=3"], "No config has the key 'max_epoch'; did you mean max_epochs?"),
        (["--set", "channels=[4,8"], "is not valid JSON"),
        (["--set", "amp=True"], "write amp=true"),
        (["--set", "tile=0"], "tile=0: An input side of 0 pixels does not fit this U-Net"),
        (["--set", "loss=nope"], "loss='nope' must be a part"),
        (["--set", "optimizer=null"], "optimizer=None must be a part"),
        (["--set", "amp=1"], "amp=1 must be true or false; the default is true"),
        (["--set", "max_epochs=ten"], "max_epochs='ten' must be a number; the default is 60"),
        (["--set", "channels=4"], "must be a list such as [1,2]"),
        (["--set", "channels"], "write KEY=VALUE"),
        (["--set", "dataset_dir=x"], "dataset_dir cannot be set"),
        (["--set", "data=x"], "No config has the key 'data'"),
        (["--from", "nowhere"], "neither a trained bundle"),
        (["--set", "tile=65"], "tile=65"),
    ],
)
def test_each_mistake_is_one_sentence(arguments: list[str], said: str, synthetic: Path, tmp_path: Path, capsys) -> None:
    assert main(["train", str(synthetic), "--output", str(tmp_path / "out"), *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert not (tmp_path / "out").exists()


def test_python_raises_the_mistake_itself(synthetic: Path, tmp_path: Path) -> None:
    for settings, said in (({"norm": "instance"}, "use norm="), ({"max_epoch": 3}, "did you mean max_epochs")):
        with pytest.raises(InputError, match=said):
            unetpipe.train(synthetic, tmp_path / "out", **settings)
    with pytest.raises(InputError, match="There is no recipe 'dic'; there are autoencoder, dic_hela"):
        unetpipe.train(synthetic, tmp_path / "out", recipe="dic")


@pytest.mark.parametrize("name", ["$print('EVIL') or 1", "@channels", "%a#b", "plain#2"])
def test_names_are_never_evaluated(
    name: str, synthetic: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).symlink_to(synthetic)
    images = Path("in")
    images.mkdir()
    (images / f"{name}.tif").write_bytes((synthetic / "01" / "t000.tif").read_bytes())
    assert main(["train", name, "--output", f"{name} out", *SET]) == 0
    bundle = Path(f"{name} out")
    assert (bundle / "models" / "model.pt").is_file()
    for given, masks in ((images, f"{name} masks"), (Path(name) / "01", f"{name} of a set")):
        assert main(["segment", str(given), "--output", masks, "--bundle", str(bundle)]) == 0
        assert list(Path(masks).glob("*mask*.tif"))
    assert not capsys.readouterr().out.startswith("EVIL")
