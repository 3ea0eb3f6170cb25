"""Damaged configs, weights and checkpoints end in one sentence that names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from make_trained_bundle import FOLDER

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
