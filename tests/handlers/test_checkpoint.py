"""A training that is cut off and taken up again ends with the weights of the undisturbed one, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Events
from workflows import SMALL, run, workflow

from unetpipe.errors import InputError
from unetpipe.networks import UNet
from unetpipe.training.checkpoints import check_checkpoint

LENGTH = {"max_epochs": 4, "steps_per_epoch": 3, "val_interval": 1}


class Killed(Exception):
    pass


def train(dataset: Path, output: Path, **overrides):
    return run(["train.json"], dataset_dir=str(dataset), output_dir=str(output), **{**SMALL, **LENGTH, **overrides})


def kill_at(iteration: int, dataset: Path, output: Path, **overrides) -> None:
    made = workflow(
        ["train.json"], dataset_dir=str(dataset), output_dir=str(output), **{**SMALL, **LENGTH, **overrides}
    )
    made.initialize()
    trainer = made.parser.get_parsed_content("train#trainer")

    def die(engine) -> None:
        if engine.state.iteration == iteration:
            raise Killed

    trainer.add_event_handler(Events.ITERATION_COMPLETED, die)
    with pytest.raises(Killed):
        trainer.run()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("iteration", [2, 5, 10])
def test_resumed_equals_undisturbed(iteration: int, workers: int, synthetic: Path, tmp_path: Path):
    whole = train(synthetic, tmp_path / "whole", num_workers=workers)
    kill_at(iteration, synthetic, tmp_path / "cut", num_workers=workers)
    taken_up = train(synthetic, tmp_path / "cut", num_workers=workers, resume=True)
    for made in (whole, taken_up):
        assert made.parser.get_parsed_content("train#trainer").state.epoch == LENGTH["max_epochs"]
    one, two = (made.parser.get_parsed_content("network").state_dict() for made in (whole, taken_up))
    assert all(torch.equal(one[name], two[name]) for name in one)
    best = [made.parser.get_parsed_content("validate#evaluator").state for made in (whole, taken_up)]
    assert best[0].best_metric == best[1].best_metric
    assert best[0].best_metric_epoch == best[1].best_metric_epoch
    models = [torch.load(tmp_path / name / "models" / "model.pt", weights_only=True) for name in ("whole", "cut")]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_checkpoint_of_another_network_is_one_sentence(synthetic: Path, tmp_path: Path):
    train(synthetic, tmp_path, max_epochs=1)
    with pytest.raises(InputError, match="another network"):
        check_checkpoint(tmp_path / "checkpoints" / "last.pt", UNet(channels=(3, 6), norm="batch"))
    check_checkpoint(tmp_path / "checkpoints" / "last.pt", UNet(channels=SMALL["channels"], norm="batch"))


def test_broken_checkpoint_is_one_sentence(tmp_path: Path):
    (tmp_path / "last.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"last\.pt"):
        check_checkpoint(tmp_path / "last.pt", UNet(channels=(2, 4)))
