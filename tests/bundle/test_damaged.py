"""Damaged configs, weights and checkpoints end in one sentence that names the file."""

from __future__ import annotations

import json
import shutil
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import pytest
from make_trained_bundle import FOLDER
from monai.bundle import ConfigParser

from unetpipe.bundle.models import add_model
from unetpipe.bundle.writing import read_configs
from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.networks import read_weights
from unetpipe.training.checkpoints import read_checkpoint

IMAGE = FOLDER / "data" / "images" / "01_t000.png"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "bundle"))


@pytest.mark.parametrize("name", ["configs/inference.json", "configs/metadata.json", "models/model.pt"])
def test_a_truncated_file_is_named(name: str, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundle / name
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["segment", str(IMAGE), "--output", str(bundle / "masks"), "--bundle", str(bundle)]) == 1
    error = capsys.readouterr().err
    assert str(path) in error
    assert error.count("\n") == 1


def test_files_that_an_editor_began_with_a_byte_order_mark_are_read(bundle: Path, tmp_path: Path) -> None:
    add_model(FOLDER, bundle, "other")
    for path in bundle.rglob("*.json"):
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    for number, options in enumerate(([], ["--model", "other"], ["--safe"])):
        output = tmp_path / str(number)
        assert main(["segment", str(IMAGE), "--output", str(output), "--bundle", str(bundle), *options]) == 0
        assert (output / "01_t000_mask.tif").is_file()
    assert main(["export", str(bundle), "--output", str(tmp_path / "copy")]) == 0
    assert not any(path.read_bytes().startswith(BOM_UTF8) for path in (tmp_path / "copy").rglob("*.json"))
    settings = ["--set", "tile=64", "max_epochs=1", "steps_per_epoch=1", "report=null"]
    command = ["train", str(FOLDER / "data"), "--output", str(tmp_path / "trained"), "--from", str(bundle), *settings]
    assert main(command) == 0


def test_configs_are_joined_as_monai_joins_them(tmp_path: Path) -> None:
    texts = ['{"a": {"b": 1, "c": [1]}, "d": 1}', '{"a#b": 2, "+a#c": [2], "e": "@d"}', '{"d": 3, "+a": {"f": 4}}']
    paths = [tmp_path / f"{number}.json" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    expected = {"a": {"b": 2, "c": [1, 2], "f": 4}, "d": 3, "e": "@d"}
    assert read_configs(paths) == ConfigParser.load_config_files(paths) == expected


@pytest.mark.parametrize(
    "values",
    [
        {"network": "$@network_deg.to(device=@device)"},
        {"scale": "$1 +"},
        {"softmax": {"_target_": "Activationsd", "keyz": "pred"}},
        {"evaluator": {"_target_": "SupervisedEvaluatos"}},
        {"in_channels": "many"},
        {"weights": 7},
    ],
)
def test_a_wrong_entry_is_one_sentence(
    values: dict[str, Any], bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle / "configs" / "inference.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    assert main(["segment", str(IMAGE), "--output", str(bundle / "masks"), "--bundle", str(bundle)]) == 1
    error = capsys.readouterr().err
    assert str(path) in error
    assert error.count("\n") == 1


def test_a_flipped_bit_of_a_weight_is_found(bundle: Path) -> None:
    for name, read in (("models/model.pt", read_weights), ("checkpoints/last.pt", read_checkpoint)):
        content = bytearray((bundle / name).read_bytes())
        content[len(content) // 2] ^= 1
        (bundle / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read(bundle / name)
