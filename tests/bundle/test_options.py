"""Options are read as they are meant, and a wrong number is one sentence."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from workflows import workflow

from unetpipe.bundle.command_line import command_line_values
from unetpipe.bundle.options import check_values
from unetpipe.bundle.settings import parse_setting
from unetpipe.errors import InputError, input_error_behind

PROGRAM = "site-packages/monai/bundle/__main__.py"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("false", False),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("none", None),
        ("None", None),
        ("[null,true]", [None, True]),
        (' {"_target_": "Loss"}', {"_target_": "Loss"}),
        (" {'_target_': 'Loss'}", {"_target_": "Loss"}),
    ],
)
def test_constants_mean_what_they_say(text: str, value: object) -> None:
    assert command_line_values([PROGRAM, "run", "--norm", text, f"--resume={text}"]) == {"norm": value, "resume": value}


@pytest.mark.parametrize("name", ["2024_01_15", "1e5", "a,b", "None", "true", "[1]", "007"])
def test_a_folder_keeps_its_name(name: str) -> None:
    assert command_line_values([PROGRAM, "run", "--dataset_dir", name, f"--output_dir={name}", "--resume"]) == {
        "dataset_dir": name,
        "output_dir": name,
    }


def test_a_missing_path_is_one_sentence() -> None:
    with pytest.raises(InputError, match="--output_dir needs a value"):
        command_line_values([PROGRAM, "run", "--output_dir", "--resume", "true"])


def test_the_run_sees_them(synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What MONAI makes of these words is overridden before anything is built."""
    options = ["--resume", "false", "--norm", "None", "--dataset_dir", "2024_01_15", "--tile=66"]
    monkeypatch.setattr(sys, "argv", [PROGRAM, "run", *options])
    made = workflow(["train.json"], dataset_dir=20240115, resume="false", tile=66, channels=[4, 8])
    made.initialize()
    get = made.parser.get_parsed_content
    assert (get("resume"), get("norm"), get("dataset_dir"), get("tile")) == (False, None, "2024_01_15", 66)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("max_epochs", 0, "whole number, 1 or more"),
        ("steps_per_epoch", -1, "whole number, 1 or more"),
        ("batch_size", 1.5, "whole number, 1 or more"),
        ("val_interval", True, "whole number, 1 or more"),
        ("num_workers", -1, "whole number, 0 or more"),
        ("learning_rate", -1, "0 or more"),
        ("learning_rate", math.nan, "0 or more"),
        ("ema_momentum", 1.1, "above 0, at most 1"),
        ("min_size", -3, "0 or more"),
        ("resume", "false", "true or false"),
        ("hold_out", None, "true or false"),
        ("hold_out", 0, "true or false"),
    ],
)
def test_a_wrong_number_is_one_sentence(key: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=f"^{key}=.*{said}"):
        check_values({key: value})


def test_it_is_said_before_training(tmp_path: Path) -> None:
    made = workflow(["train.json"], max_epochs=0, output_dir=str(tmp_path / "output"))
    with pytest.raises(RuntimeError) as raised:
        made.initialize()
    assert str(input_error_behind(raised.value)) == "max_epochs=0 must be a whole number, 1 or more."
    assert not (tmp_path / "output").exists()


def test_a_setting_names_the_constant() -> None:
    with pytest.raises(InputError, match="write norm=null"):
        parse_setting("norm=none")


def test_torchrun_without_the_overlay_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    made = workflow(["train.json"], output_dir=str(tmp_path / "output"))
    with pytest.raises(RuntimeError) as raised:
        made.initialize()
    said = str(input_error_behind(raised.value))
    assert said.startswith("torchrun started 2 processes, but the configs are for one; add multi_gpu_train.json")
    with_overlay = workflow(["train.json", "multi_gpu_train.json"], output_dir=str(tmp_path / "output"))
    with_overlay.parser.get_parsed_content("initialize#0")


@pytest.mark.parametrize("device", ["cuda:99", "cuda:-1", "meta", "gpu", 99, None, "", torch.device("cuda", 99)])
def test_a_device_that_is_not_there_is_one_sentence(device: object) -> None:
    with pytest.raises(InputError, match=r"^There is no device .*; there is cpu"):
        check_values({"device": device})
    check_values({"device": "cpu"})
    check_values({"device": torch.device("cpu")})
    check_values({"device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"})


def test_every_way_in_asks_for_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from make_trained_bundle import FOLDER

    from unetpipe.predictor import Predictor
    from unetpipe.training.train import train

    said = "There is no device 'cuda:99' on this machine"
    with pytest.raises(InputError, match=said):
        Predictor.load(FOLDER, device="cuda:99")
    with pytest.raises(InputError, match=said):
        train(FOLDER / "data", tmp_path / "out", device="cuda:99", channels=[4, 8], tile=66)
    monkeypatch.chdir(tmp_path)
    for verb, configs in (
        ("run", [FOLDER / "configs" / "inference.json"]),
        ("run", [FOLDER / "configs" / "train.json"]),
        ("run", [FOLDER / "configs" / "train.json", FOLDER / "configs" / "evaluate.json"]),
    ):
        command = [sys.executable, "-m", "monai.bundle", verb, "--config_file", str([str(path) for path in configs])]
        command += ["--device", "cuda:99", "--dataset_dir", str(FOLDER / "data"), "--output_dir", "out"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert [line for line in done.stderr.splitlines() if "Error" in line] == [f"Error: {said}; there is cpu."]
        assert "Traceback" not in done.stderr
        assert not Path("out").exists()
