"""A mistake that shows while an engine runs ends in one sentence; a bug stays a bug."""

from __future__ import annotations

import logging

import pytest
from ignite.engine import Engine

from unetpipe.errors import InputError
from unetpipe.handlers import EpochStats
from unetpipe.training import run_engine


class Failing:
    """Stands for an engine whose transforms fail as MONAI makes them fail."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause

    def run(self) -> None:
        try:
            raise self.cause
        except Exception as error:
            raise RuntimeError("applying transform") from error


def test_the_mistake_behind_is_raised():
    with pytest.raises(InputError, match=r"^no space$"):
        run_engine(Failing(InputError("no space")))  # type: ignore[arg-type]


def test_under_monai_bundle_it_exits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["site-packages/monai/bundle/__main__.py", "run"])
    with pytest.raises(SystemExit) as caught:
        run_engine(Failing(InputError("no space")))  # type: ignore[arg-type]
    assert caught.value.code == "Error: no space"


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
