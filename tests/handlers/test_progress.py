"""Progress: a bar on a terminal; one line an epoch, without carriage returns, anywhere else."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from ignite.engine import Engine, Events

from unetpipe.handlers import Progress, progress, show_bars


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(epochs: int, done: int = 0, unit: str = "step", steps: int = 4) -> None:
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.metrics["val_seg"] = 0.5
    evaluator.state.key_metric_name = "val_seg"  # type: ignore[attr-defined]
    trainer = Engine(lambda engine, batch: None)

    def resume(engine: Engine) -> None:
        engine.state.epoch, engine.state.iteration = done, done * steps

    def measure(engine: Engine) -> None:
        engine.state.metrics["train_loss"] = 1 / engine.state.epoch

    trainer.add_event_handler(Events.EPOCH_COMPLETED, measure)
    Progress(evaluator, unit).attach(trainer)
    trainer.add_event_handler(Events.STARTED, resume)  # after Progress, as Checkpoint is
    trainer.run([0] * steps, max_epochs=epochs)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stand for the clock: each reading takes one of these times, and the last one remains."""
    times = [0.0]
    now = lambda: times.pop(0) if len(times) > 1 else times[0]  # noqa: E731
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=now))
    return times


def test_a_line_an_epoch(capsys: pytest.CaptureFixture) -> None:
    run(epochs=3, done=1)
    printed = capsys.readouterr()
    assert printed.out == (
        "first step after 00:00; an epoch of 4 steps takes about 00:00\n"
        "epoch 2 of 3; 8 steps; train_loss 0.5000, val_seg 0.5000; 00:00 left\n"
        "epoch 3 of 3; 12 steps; train_loss 0.3333, val_seg 0.5000; 00:00 in all\n"
    )
    assert printed.err == ""


def test_the_first_epoch_is_foretold(capsys: pytest.CaptureFixture, clock: list[float]) -> None:
    """The first step takes 60 s and the second and third 2 s, so the epoch of 4 takes 66 s."""
    clock[:] = [100.0, 160.0, 162.0, 164.0, 170.0]
    run(epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "first step after 01:00; an epoch of 4 steps takes about 01:06"
    assert lines[1].endswith("01:10 left")
    assert len(lines) == 3


def test_one_slow_step_does_not_foretell_a_slow_epoch(capsys: pytest.CaptureFixture, clock: list[float]) -> None:
    """Steps of 10, 42, 2, 2, 2 and 2 s: the other 99 take 2 s each."""
    clock[:] = [0.0, 10.0, 52.0, 54.0, 56.0, 58.0, 60.0]
    run(epochs=1, steps=100)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "first step after 00:10; an epoch of 100 steps takes about 03:28"


def test_an_epoch_of_two_steps_is_not_foretold(capsys: pytest.CaptureFixture) -> None:
    run(epochs=2, steps=2)
    assert [line[:7] for line in capsys.readouterr().out.splitlines()] == ["epoch 1", "epoch 2"]


def test_one_epoch_of_images(capsys: pytest.CaptureFixture) -> None:
    run(epochs=1, unit="image")
    assert capsys.readouterr().out == "4 images; train_loss 1.0000, val_seg 0.5000; 00:00 in all\n"


def test_an_earlier_epoch_that_was_validated_is_named(capsys: pytest.CaptureFixture) -> None:
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.key_metric_name = "val_seg"  # type: ignore[attr-defined]
    trainer = Engine(lambda engine, batch: None)

    def validate(engine: Engine) -> None:
        if engine.state.epoch == 2:
            evaluator.state.epoch = engine.state.epoch
            evaluator.state.metrics["val_seg"] = 0.5
            evaluator.fire_event(Events.EPOCH_COMPLETED)

    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    Progress(evaluator).attach(trainer)
    trainer.run([0] * 4, max_epochs=3)
    parts = [part for line in capsys.readouterr().out.splitlines() for part in line.split("; ")]
    values = [part for part in parts if part.startswith("val_seg")]
    assert values == ["val_seg 0.5000", "val_seg 0.5000 (epoch 2)"]


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert show_bars(True)
    assert not show_bars(False)
    run(epochs=3, done=1)
    assert out.getvalue() == ""
    last = err.getvalue().rstrip("\n").split("\r")[-1]
    assert last.startswith("epoch 3 of 3: 100%")
    assert "12/12" in last
    assert "train_loss=0.3333, val_seg=0.5000" in last


def test_a_redirected_output_gets_its_lines_beside_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    run(epochs=2)
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert "8/8" in sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_no_terminal_no_bars() -> None:
    assert not show_bars(True)
