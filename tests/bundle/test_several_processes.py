"""``torchrun`` with the multi-GPU overlays on two CPU processes: one trained bundle, resumed after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from workflows import BUNDLE

from unetpipe.io import read_labels

EPOCHS, STEPS = 3, 4
# The process with rank 1 kills itself, with its data workers: one that has only just started does not notice that its
# process has ended. At the second step of the second epoch the first process has written the checkpoint of the first
# epoch, since a step needs the gradients of both.
DIES = f"""
import os, signal
from ignite.engine import Engine, Events

class Dies:
    def attach(self, engine):
        engine.add_event_handler(Events.ITERATION_COMPLETED(once={STEPS + 2}), self.die)

    def die(self, engine):
        if os.environ["RANK"] == "1":
            os.killpg(os.getpgid(0), signal.SIGKILL)
"""


def command(configs: list[str], bundle: Path, **values) -> list[str]:
    files = [str(bundle / "configs" / name) for name in configs]
    keys = [part for key, value in values.items() for part in (f"--{key}", str(value))]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    return [*torchrun, "-m", "monai.bundle", "run", "--config_file", str(files), *keys]


def training(dataset: Path, output: Path, **values) -> list[str]:
    small = {"channels": "[4,8]", "tile": 66, "dropout": 0.0, "progress": False, "amp": False}
    length = {"max_epochs": EPOCHS, "steps_per_epoch": STEPS, "val_interval": 1}
    return command(
        ["train.json", "multi_gpu_train.json"],
        BUNDLE,
        dataset_dir=dataset,
        output_dir=output,
        **{**small, **length, **values},
    )


def run(arguments: list[str], modules: Path | None = None) -> subprocess.CompletedProcess:
    """Run a command; it can import the modules of a folder too."""
    places = [str(place) for place in (modules, os.environ.get("PYTHONPATH")) if place]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places)}
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.posix
def test_a_rank_that_is_killed_costs_its_epoch_alone(synthetic: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = run(training(synthetic, whole))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bundle written") == 1 or (whole / "models" / "model.pt").is_file()
    assert (whole / "report.html").is_file()
    assert len(list((whole / "tensorboard").glob("events*"))) <= 2  # of the first process alone

    (tmp_path / "dying.py").write_text(DIES)
    killed = run(training(synthetic, cut, **{"train#named_handlers#dies": '{"_target_": "dying.Dies"}'}), tmp_path)
    assert killed.returncode != 0, killed.stdout
    assert "SIGKILL" in killed.stderr, killed.stderr
    assert torch.load(cut / "checkpoints" / "last.pt", weights_only=True)["epoch"] == 1

    again = run(training(synthetic, cut, resume=True))
    assert again.returncode == 0, again.stderr
    states = [torch.load(place / "checkpoints" / "last.pt", weights_only=True) for place in (whole, cut)]
    assert [state["epoch"] for state in states] == [EPOCHS, EPOCHS]
    for name, value in states[0]["network"].items():
        torch.testing.assert_close(value, states[1]["network"][name], rtol=1e-5, atol=1e-6)

    scored = command(
        ["train.json", "evaluate.json", "multi_gpu_evaluate.json"], whole, output_dir=tmp_path / "two", progress=False
    )
    assert run(scored).returncode == 0
    alone = [sys.executable, "-m", "monai.bundle", "run", "--config_file"]
    files = [str(whole / "configs" / name) for name in ("train.json", "evaluate.json")]
    one = run([*alone, str(files), "--output_dir", str(tmp_path / "one"), "--progress", "False"])
    assert one.returncode == 0, one.stderr
    scores = [json.loads((tmp_path / name / "scores.json").read_text()) for name in ("one", "two")]
    assert scores[0] == scores[1]
    for mask in (tmp_path / "one").rglob("mask*.tif"):
        name = mask.relative_to(tmp_path / "one")
        assert np.array_equal(read_labels(mask), read_labels(tmp_path / "two" / name))


def test_batches_on_the_device_and_scores_beside_the_training(synthetic: Path, tmp_path: Path) -> None:
    """Both processes draw their own share of an epoch, and choose the same with and without processes that score."""
    values = {"device_batches": True, "batch_size": 2, "num_workers": 0}
    made = [tmp_path / name for name in ("waits", "goes_on")]
    for place, processes in zip(made, (0, 1), strict=True):
        done = run(training(synthetic, place, validation_processes=processes, **values))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Batches are made on cpu, from 4 frames") == 2, done.stdout
    for name in ("models/model.pt", "checkpoints/last.pt"):
        one, other = (torch.load(place / name, weights_only=True) for place in made)
        weights = (one, other) if name.startswith("models") else (one["network"], other["network"])
        assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    chosen = [json.loads((place / "configs" / "inference.json").read_text()) for place in made]
    assert chosen[0]["threshold"] == chosen[1]["threshold"]


def test_what_the_first_process_does_alone() -> None:
    """The overlay names handlers of ``train.json``; it must name all that would write or print twice."""
    train, overlay = (
        json.loads((BUNDLE / "configs" / name).read_text()) for name in ("train.json", "multi_gpu_train.json")
    )
    parser = ConfigParser(train)
    alone = [key.removesuffix("#_disabled_") for key in overlay if key.endswith("#_disabled_")]
    assert sorted(parser[key]["_target_"].split(".")[-1] for key in alone) == sorted(
        ["EpochStats"] * 2 + ["LossCurve", "TensorBoardStatsHandler"] + ["Progress", "BundleSaver", "report_training"]
    )
