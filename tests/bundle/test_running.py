"""The bundle that is running follows from the config files that MONAI loaded, however it was started."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import monai.bundle
import pytest
from monai.bundle import ConfigWorkflow

from unetpipe.bundle.running import bundle_root
from unetpipe.errors import InputError, input_error_behind

CONFIG = {
    "bundle_root": {"_target_": "unetpipe.bundle.command_line.bundle_root"},
    "run": "$pathlib.Path(@said).write_text(@bundle_root)",
    "imports": ["$import pathlib"],
}


def make_bundle(folder: Path) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text('{"version": "1"}')
    (folder / "configs" / "run.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


@pytest.fixture
def root_of(tmp_path: Path) -> Callable[..., str]:
    """Run configs; return the bundle that they see."""

    def run(**arguments: Any) -> str:
        said = tmp_path / "said"
        monai.bundle.run(said=str(said), **arguments)
        return said.read_text()

    return run


def test_from_python_in_any_working_directory(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root_of
) -> None:
    other = make_bundle(tmp_path / "other")
    monkeypatch.chdir(other)
    assert Path(root_of(config_file=str(bundle / "configs" / "run.json"))) == bundle
    monkeypatch.chdir(bundle / "configs")
    assert Path(root_of(config_file="run.json")).resolve() == bundle


def test_from_an_args_file(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root_of) -> None:
    monkeypatch.chdir(make_bundle(tmp_path / "other"))
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"config_file": [str(bundle / "configs" / "run.json")]}))
    assert Path(root_of(args_file=str(arguments))) == bundle


@pytest.mark.parametrize("own_first", [True, False])
def test_a_users_own_config_does_not_change_it(bundle: Path, tmp_path: Path, own_first: bool, root_of) -> None:
    own = tmp_path / "mine" / "deeper" / "own.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("more: 1\n")
    files = [str(bundle / "configs" / "run.json"), str(own)]
    assert Path(root_of(config_file=files[::-1] if own_first else files)) == bundle


def test_a_workflow_knows_it_too(bundle: Path, tmp_path: Path) -> None:
    made = ConfigWorkflow(str(bundle / "configs" / "run.json"), said=str(tmp_path / "said"))
    made.initialize()
    made.run()
    assert (tmp_path / "said").read_text() == str(bundle)


def test_no_bundle_or_two_is_one_sentence(bundle: Path, tmp_path: Path, root_of) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps(CONFIG))
    with pytest.raises(RuntimeError) as raised:
        root_of(config_file=str(own))
    assert "No bundle holds" in str(input_error_behind(raised.value))
    other = make_bundle(tmp_path / "other")
    with pytest.raises(RuntimeError) as raised:
        root_of(config_file=[str(folder / "configs" / "run.json") for folder in (bundle, other)])
    assert "are in two bundles" in str(input_error_behind(raised.value))
    assert root_of(config_file=str(own), bundle_root="there") == "there"
    with pytest.raises(InputError, match="bundle_root"):
        bundle_root()
