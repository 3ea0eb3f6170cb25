"""A mistake that shows while an engine runs ends in one sentence; a bug stays a bug."""

from __future__ import annotations

import logging
import sys

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser

from unetpipe.errors import InputError
from unetpipe.handlers import EpochStats
from unetpipe.training import one_line_mistakes, run_engine


class Failing:
    """Stands for an engine whose transforms fail as MONAI makes them fail."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause

    def run(self) -> None:
        try:
            raise self.cause
        except Exception as error:
            raise RuntimeError("applying transform") from error


class Running:
    """An engine that knows its data, as MONAI's do."""

    def __init__(self, engine: Engine, data: list) -> None:
        self.engine, self.data = engine, data

    def run(self) -> None:
        self.engine.run(self.data)


def test_the_mistake_behind_is_raised():
    with pytest.raises(InputError, match=r"^no space$"):
        run_engine(Failing(InputError("no space")))  # type: ignore[arg-type]


def test_a_network_that_cannot_be_compiled_is_one_sentence() -> None:
    def backend(*arguments: object) -> None:
        raise RuntimeError("Failed to find C compiler.")

    network = torch.compile(torch.nn.Linear(1, 1), backend=backend)
    with pytest.raises(InputError, match=r"cannot be compiled here \(.*Failed to find C compiler\); set compile=false"):
        run_engine(Running(Engine(lambda engine, batch: network(batch)), [torch.ones(1, 1)]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("program", "one_line"),
    [("site-packages/monai/bundle/__main__.py", True), ("monailabel/interfaces/utils/app.py", True), ("app.py", False)],
)
def test_the_hook_prints_one_line(
    program: str, one_line: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr("sys.argv", [program, "run"])
    monkeypatch.setattr("sys.excepthook", sys.__excepthook__)  # put back after the test
    one_line_mistakes()
    for cause, sentence in ((InputError("no space"), True), (ZeroDivisionError(), False)):
        with pytest.raises(RuntimeError) as caught:
            Failing(cause).run()
        sys.excepthook(caught.type, caught.value, caught.tb)
        said = capsys.readouterr().err
        assert (said == "Error: no space\n") == (sentence and one_line)
        assert ("Traceback" in said) != (sentence and one_line)


def test_the_hook_names_a_part_of_the_config_that_cannot_be_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr("sys.argv", ["site-packages/monai/bundle/__main__.py", "run"])
    monkeypatch.setattr("sys.excepthook", sys.__excepthook__)  # put back after the test
    one_line_mistakes()
    with pytest.raises(RuntimeError) as caught:
        ConfigParser({"loss": {"_target_": "int", "base": 3}}).get_parsed_content("loss")
    sys.excepthook(caught.type, caught.value, caught.tb)
    said = "Error: The config cannot be used: its key 'loss' fails (int() missing string argument).\n"
    assert capsys.readouterr().err == said
    monkeypatch.setenv("UNETPIPE_DEBUG", "1")
    sys.excepthook(caught.type, caught.value, caught.tb)
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_passes():
    with pytest.raises(RuntimeError, match="applying transform"):
        run_engine(Failing(ZeroDivisionError()))  # type: ignore[arg-type]


def test_epoch_stats_log_no_traceback(caplog: pytest.LogCaptureFixture):
    def fail(engine: Engine, batch: object) -> None:
        raise InputError("no space")

    engine = Engine(fail)
    EpochStats().attach(engine)
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError):
        engine.run([0])
    assert "Traceback" not in caplog.text
