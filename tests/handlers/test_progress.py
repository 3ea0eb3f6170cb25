"""Progress: a bar on a terminal; one line an epoch, without carriage returns, anywhere else."""

from __future__ import annotations

import io
import sys

import pytest
from ignite.engine import Engine, Events

from unetpipe.handlers import Progress, show_bars


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(epochs: int, done: int = 0, unit: str = "step") -> None:
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.metrics["val_seg"] = 0.5
    trainer = Engine(lambda engine, batch: None)

    def resume(engine: Engine) -> None:
        engine.state.epoch, engine.state.iteration = done, done * 4

    def measure(engine: Engine) -> None:
        engine.state.metrics["train_loss"] = 1 / engine.state.epoch

    trainer.add_event_handler(Events.EPOCH_COMPLETED, measure)
    Progress(evaluator, unit).attach(trainer)
    trainer.add_event_handler(Events.STARTED, resume)  # after Progress, as Checkpoint is
    trainer.run([0] * 4, max_epochs=epochs)


def test_a_line_an_epoch(capsys: pytest.CaptureFixture) -> None:
    run(epochs=3, done=1)
    printed = capsys.readouterr()
    assert printed.out == (
        "epoch 2 of 3; 8 steps; train_loss 0.5000, val_seg 0.5000; 00:00 left\n"
        "epoch 3 of 3; 12 steps; train_loss 0.3333, val_seg 0.5000; 00:00 in all\n"
    )
    assert printed.err == ""


def test_one_epoch_of_images(capsys: pytest.CaptureFixture) -> None:
    run(epochs=1, unit="image")
    assert capsys.readouterr().out == "4 images; train_loss 1.0000, val_seg 0.5000; 00:00 in all\n"


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
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert "8/8" in sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_no_terminal_no_bars() -> None:
    assert not show_bars(True)
