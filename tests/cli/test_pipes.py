"""Closed pipes, FIFOs, /dev/null and missing packages: silence or one sentence, never a traceback or a hang."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from make_trained_bundle import FOLDER

from unetpipe.cli.main import CLOSED, main
from unetpipe.errors import InputError

DATA = FOLDER / "data"


@pytest.mark.posix
def test_a_pipe_that_closes_ends_the_program_in_silence() -> None:
    command = [sys.executable, "-u", "-m", "unetpipe", "check", str(DATA)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == CLOSED


@pytest.mark.posix
@pytest.mark.parametrize("arguments", [["segment", "PIPE"], ["segment", "FOLDER"], ["segment", "/dev/null"]])
def test_what_is_not_a_file_is_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "a.png")
    places = {"PIPE": str(tmp_path / "folder" / "a.png"), "FOLDER": str(tmp_path / "folder")}
    assert main([places.get(part, part) for part in arguments] + ["--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("Error: ")
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "unetpipe.predictor", None)
    with pytest.raises(ModuleNotFoundError):  # a part of ours that is missing is a bug
        main(["segment", str(DATA / "images"), "--output", "out"])
    monkeypatch.undo()

    def run(options: object) -> None:
        raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")

    monkeypatch.setattr("unetpipe.cli.link.run", run)
    assert main(["link", "folder"]) == 1
    assert "The package torchvision is not installed" in capsys.readouterr().err


def test_a_variable_shows_the_traceback_behind_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = ["link", str(tmp_path)]
    assert main(arguments) == 1
    monkeypatch.setenv("UNETPIPE_DEBUG", "1")
    with pytest.raises(InputError):
        main(arguments)
