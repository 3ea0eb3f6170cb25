"""Processes score the validation frames while the next epoch trains: nothing that comes out is different."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from workflows import SMALL, workflow

from unetpipe.errors import InputError, input_error_behind

LENGTH = {"max_epochs": 5, "steps_per_epoch": 2, "num_workers": 0, "learning_rate": 0.01}


class Stopped(Exception):
    pass


class Training:
    """A training, and (epoch, score, best epoch) of its validations.

    ``unscored`` holds the epochs that began before the scores of the validation were there.
    """

    def __init__(self, data: Path, output: Path, **values: Any) -> None:
        made = workflow(["train.json"], dataset_dir=str(data), output_dir=str(output), **{**SMALL, **LENGTH, **values})
        made.initialize()
        self.run = made.run
        self.output = output
        self.trainer = made.parser.get_parsed_content("train#trainer")
        self.evaluator = made.parser.get_parsed_content("validate#evaluator")
        self.metric = made.parser.get_parsed_content("validate#metric")
        self.validated: list[tuple[int, float, int]] = []
        self.unscored: list[int] = []
        self.evaluator.add_event_handler(Events.EPOCH_COMPLETED, self.note)
        self.trainer.add_event_handler(Events.EPOCH_STARTED, self.note_unscored)

    def note(self) -> None:
        state = self.evaluator.state
        self.validated.append((state.epoch, state.metrics["val_seg"], state.best_metric_epoch))

    def note_unscored(self) -> None:
        if self.evaluator.state.unscored:
            self.unscored.append(self.trainer.state.epoch)

    def result(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        weights = torch.load(self.output / "models" / "model.pt", weights_only=True)
        config = json.loads((self.output / "configs" / "inference.json").read_text())
        return weights, {key: config[key] for key in ("threshold", "marker_threshold", "trained_on")}


def assert_same(one: Training, other: Training) -> None:
    (weights, settings), (others, other_settings) = one.result(), other.result()
    assert settings == other_settings
    assert weights.keys() == others.keys()
    assert all(torch.equal(value, others[name]) for name, value in weights.items())


def test_results_are_those_of_a_training_that_waits(synthetic: Path, tmp_path: Path) -> None:
    """The first validation is made the best; when that is known, training has changed the network."""
    made = []
    for processes in (0, 2):
        one = Training(synthetic, tmp_path / str(processes), val_interval=2, validation_processes=processes)
        one.evaluator.metric_cmp_fn = lambda score, best: False
        one.run()
        made.append(one)
    waits, goes_on = made
    assert goes_on.validated == waits.validated
    assert [(epoch, best) for epoch, _, best in waits.validated] == [(2, 2), (4, 2), (5, 2)]
    assert (waits.unscored, goes_on.unscored) == ([], [3, 5])
    assert_same(waits, goes_on)


def test_a_training_that_stops_before_the_scores_are_there_is_resumed(synthetic: Path, tmp_path: Path) -> None:
    whole = Training(synthetic, tmp_path / "whole", val_interval=2, validation_processes=0)
    whole.run()
    cut = Training(synthetic, tmp_path / "cut", val_interval=2, validation_processes=1)

    def stop() -> None:
        if cut.trainer.state.epoch == 3:
            raise Stopped

    cut.trainer.add_event_handler(Events.ITERATION_COMPLETED, stop)
    with pytest.raises(Stopped):
        cut.trainer.run()
    assert cut.validated == []
    again = Training(synthetic, tmp_path / "cut", val_interval=2, validation_processes=1, resume=True)
    again.run()
    assert again.validated == whole.validated
    assert_same(whole, again)


@pytest.mark.posix
def test_a_killed_process_ends_the_training_with_one_sentence(synthetic: Path, tmp_path: Path) -> None:
    made = Training(synthetic, tmp_path, val_interval=1, validation_processes=1)

    def kill() -> None:
        if made.trainer.state.epoch == 2:
            for process in made.metric.processes._pool._processes:
                os.kill(process, signal.SIGKILL)

    made.trainer.add_event_handler(Events.EPOCH_STARTED, kill)
    with pytest.raises((InputError, RuntimeError)) as raised:
        made.run()
    sentence = str(input_error_behind(raised.value))
    assert sentence.startswith("A process that scores the validation frames has ended")
    assert "validation_processes=0" in sentence
    assert made.metric.processes is None  # they are told to end
    assert (tmp_path / "checkpoints" / "last.pt").is_file()  # so it can be resumed
