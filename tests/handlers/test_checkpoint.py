"""A training that is cut off and taken up again ends with the weights of the undisturbed one, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Events
from torch.nn import Parameter
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR
from workflows import SMALL, run, workflow

from unetpipe.errors import InputError, input_error_behind
from unetpipe.handlers.checkpoint import _reschedule
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


@pytest.mark.parametrize(("epochs", "rate"), [(4, 1e-3), (2, 5e-3), (4, 5e-3)])
def test_the_schedule_is_the_one_that_is_asked_for(epochs: int, rate: float) -> None:
    """After two of two epochs the cosine is at 0; a longer training, or another rate, goes on where it would be."""

    def schedule(epochs: int, rate: float) -> CosineAnnealingLR:
        return CosineAnnealingLR(SGD([Parameter(torch.zeros(1))], lr=rate), epochs)

    done, resumed, whole = schedule(2, 1e-3), schedule(epochs, rate), schedule(epochs, rate)
    for _ in range(2):
        for made in (done, whole):
            made.optimizer.step()
            made.step()
    asked = resumed.state_dict()
    resumed.optimizer.load_state_dict(done.optimizer.state_dict())
    resumed.load_state_dict(done.state_dict())
    _reschedule(resumed, asked)
    for _ in range(2):
        assert resumed.get_last_lr() == pytest.approx(whole.get_last_lr(), abs=1e-12)
        assert resumed.optimizer.param_groups[0]["lr"] == pytest.approx(whole.get_last_lr()[0], abs=1e-12)
        for made in (resumed, whole):
            made.optimizer.step()
            made.step()


def test_more_epochs_after_the_last_still_learn(synthetic: Path, tmp_path: Path):
    train(synthetic, tmp_path, max_epochs=1)
    before = torch.load(tmp_path / "checkpoints" / "last.pt", weights_only=True)
    longer = train(synthetic, tmp_path, max_epochs=2, resume=True)
    after = longer.parser.get_parsed_content("network").state_dict()
    assert not torch.equal(after["classify.weight"], before["network"]["classify.weight"])
    assert longer.parser.get_parsed_content("lr_scheduler").T_max == 2


def test_fewer_epochs_than_done_are_refused(synthetic: Path, tmp_path: Path):
    train(synthetic, tmp_path, max_epochs=2)
    with pytest.raises(RuntimeError) as raised:
        train(synthetic, tmp_path, max_epochs=1, resume=True)
    assert "has 2 epochs already; resume it with max_epochs=2 or more" in str(input_error_behind(raised.value))


def test_broken_checkpoint_is_one_sentence(tmp_path: Path):
    (tmp_path / "last.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"last\.pt"):
        check_checkpoint(tmp_path / "last.pt", UNet(channels=(2, 4)))
