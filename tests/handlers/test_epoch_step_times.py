from __future__ import annotations

import logging

import pytest
from ignite.engine import Engine

from unetpipe.handlers import StepTimes, epoch


def times(monkeypatch: pytest.MonkeyPatch, read: float, step: float) -> dict[str, float]:
    """Run two epochs of three steps on a clock that goes on by what reading and computing take."""
    now = 0.0

    def pass_time(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Data:
        def __len__(self) -> int:
            return 3

        def __iter__(self):
            for number in range(3):
                pass_time(read)
                yield number

    monkeypatch.setattr(epoch.time, "perf_counter", lambda: now)
    engine = Engine(lambda engine, batch: pass_time(step))
    StepTimes().attach(engine)
    engine.run(Data(), max_epochs=2)
    return engine.state.metrics


def test_shares(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics = times(monkeypatch, read=1.0, step=3.0)
    assert metrics == {"step_seconds": pytest.approx(3.0), "waiting": pytest.approx(0.25)}
    assert "waits for data for 25 %" in caplog.text
    assert "num_workers" in caplog.text


def test_little_waiting_is_not_worth_a_word(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert times(monkeypatch, read=0.1, step=3.0)["waiting"] == pytest.approx(0.1 / 3.1)
    assert "waits" not in caplog.text
