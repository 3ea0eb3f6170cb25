"""A part of a config that cannot be built is named with its key and the cause; a bug while an engine runs is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Engine
from make_trained_bundle import FOLDER
from monai.bundle import ConfigParser

from unetpipe.bundle.failing import unbuilt_part
from unetpipe.cli.main import main


def run(engine: Engine) -> None:
    engine.run([0], max_epochs=1)


def fail(engine: Engine, batch: int) -> None:
    raise ValueError("shapes do not fit")


def mistake(config: dict[str, Any], key: str) -> str | None:
    parser = ConfigParser(config)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever MONAI raises
        parser.get_parsed_content(key)
    found = unbuilt_part(caught.value)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("part", "key", "said"),
    [
        ({"_target_": "torch.optim.Foo"}, "part", "Cannot locate class or function path: 'torch.optim.Foo'"),
        ({"inner": {"_target_": "int", "base": 3}}, "part#inner", "int() missing string argument"),
        ([1, "$1 / 0"], "part#1", "division by zero"),
        ("@nothing", "part", "the referring item `@nothing` is not defined in the config content"),
        ("${}['image']", "part", "KeyError: 'image'"),
    ],
)
def test_key_and_cause_are_named(part: Any, key: str, said: str) -> None:
    config = {"whole": {"_target_": "dict", "part": "@part"}, "part": part}
    assert mistake(config, "whole") == f"The config cannot be used: its key {key!r} fails ({said})."


def test_a_bug_while_an_engine_runs_stays_a_bug() -> None:
    assert mistake({"run": [{"_target_": run, "engine": Engine(fail)}]}, "run") is None


def test_what_no_config_raised_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        divmod(1, 0)
    assert unbuilt_part(caught.value) is None


def test_train_names_a_class_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was called a missing package."""
    arguments = ["train", str(FOLDER / "data"), "--output", str(tmp_path / "model"), "--set"]
    assert main([*arguments, "network_class=unetpipe.networks.Foo"]) == 1
    assert capsys.readouterr().err == (
        "Error: The config cannot be used: its key 'network_def' fails (Cannot locate class or function path: "
        "'unetpipe.networks.Foo').\n"
    )
