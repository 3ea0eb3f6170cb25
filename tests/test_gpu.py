"""What differs on a GPU. ``python -m pytest -m gpu`` runs only these; without a GPU they are skipped."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from workflows import BUNDLE, SHORT, SMALL, run

from unetpipe.inferers import AutocastInferer, OverlapTileInferer
from unetpipe.io import read_image
from unetpipe.networks import UNet, fold_batch_norm
from unetpipe.predictor import Predictor
from unetpipe.training import DeviceBatches

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU"),
]
LARGEST_DIFFERENCE = 0.005  # of the pixels, between masks of a GPU in bfloat16 and of a CPU in float32


def train(data: Path, output: Path, **values: Any) -> dict[str, torch.Tensor]:
    """Train on the GPU, with the frames there; return the weights."""
    settings = {**SMALL, **SHORT, "batch_size": 2, "num_workers": 0, **values}
    made = run(["train.json"], dataset_dir=str(data), output_dir=str(output), **settings)
    loader = made.parser.get_parsed_content("train#trainer").state.dataloader
    assert isinstance(loader, DeviceBatches) is (settings.get("device_batches") is not False)
    return {name: value.cpu() for name, value in made.parser.get_parsed_content("network").state_dict().items()}


def test_masks_in_bfloat16_are_those_of_the_cpu(synthetic: Path) -> None:
    masks = []
    for device, amp in (("cuda:0", True), ("cpu", False)):
        predictor = Predictor.load(model="fluo_sim", device=f"$torch.device('{device}')", amp=amp)
        masks.append([predictor(read_image(path)[0]) > 0 for path in sorted(synthetic.glob("0?/t*.tif"))])
    differing = np.mean([np.mean(one != other) for one, other in zip(*masks, strict=True)])
    assert differing <= LARGEST_DIFFERENCE


def test_out_of_memory_for_real_ends_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # it rounds to 10 bits, otherwise for each tile size
    network = UNet(channels=(64, 128, 256), norm="batch").eval().cuda()
    image = torch.rand(1, 1, 1500, 1500, device="cuda")
    inferer = AutocastInferer(OverlapTileInferer(1600, 1), amp=False)
    with torch.no_grad():
        expected = AutocastInferer(OverlapTileInferer(316, 1), amp=False)(image, network)
        torch.cuda.empty_cache()
        total = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(min((torch.cuda.memory_reserved() + 2 * 2**30) / total, 1.0))
        try:
            result = inferer(image, network)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    torch.testing.assert_close(result, expected, atol=1e-3, rtol=1e-3)


def test_replayed_kernels_compute_the_same(caplog: pytest.LogCaptureFixture) -> None:
    """Several shapes in turn, in and out of inference mode, while another thread reads results from the GPU."""
    network = fold_batch_norm(UNet(channels=(8, 16, 32), norm="batch").eval()).cuda()
    network = network.to(memory_format=torch.channels_last)
    inferer = AutocastInferer(OverlapTileInferer(sw_batch_size=1))
    stop = Event()

    def read() -> None:
        while not stop.is_set():
            torch.rand(100, 100, device="cuda").sum().cpu()

    with caplog.at_level(logging.INFO), ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for turn in range(6):
                for side in (100, 150, 200):
                    image = torch.rand(1, 1, side, side, device="cuda")
                    with torch.inference_mode() if turn % 2 else torch.no_grad():
                        result = inferer(image, network)
                        usual = OverlapTileInferer(sw_batch_size=1)(image, Bare(inferer._copy.module)).float()
                        assert torch.equal(result, usual)
        finally:
            stop.set()
        reading.result()
    assert len(inferer._copy._graphs) == 3, caplog.text


class Bare(torch.nn.Module):
    """Runs a network in bfloat16 as usual."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            return self.module(x)


def test_out_of_memory_gives_the_graphs_back(monkeypatch: pytest.MonkeyPatch) -> None:
    network = UNet(channels=(64, 128, 256)).eval().cuda()
    small, large = torch.rand(1, 1, 100, 100, device="cuda"), torch.rand(1, 1, 3000, 3000, device="cuda")
    inferer, large_tile = AutocastInferer(OverlapTileInferer(sw_batch_size=1)), OverlapTileInferer(3100, 1)
    with torch.no_grad():
        for _ in range(4):
            expected = inferer(small, network)
        assert inferer._copy._graphs
        torch.cuda.empty_cache()
        total = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(min((torch.cuda.memory_reserved() + 2 * 2**30) / total, 1.0))
        inferer.inferer = large_tile
        try:
            assert inferer(large, network).isfinite().all()
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert not inferer._copy._graphs
        inferer.inferer = OverlapTileInferer(sw_batch_size=1)
        assert torch.equal(inferer(small, network), expected)


@pytest.mark.parametrize("device_batches", [True, False])
def test_a_resumed_training_ends_with_the_same_weights(device_batches: bool, synthetic: Path, tmp_path: Path) -> None:
    constant = {"_target_": "torch.optim.lr_scheduler.ConstantLR", "optimizer": "@optimizer", "factor": 1.0}
    values = {"device_batches": device_batches, "lr_scheduler": constant}
    whole = train(synthetic, tmp_path / "whole", max_epochs=3, **values)
    train(synthetic, tmp_path / "cut", max_epochs=2, **values)
    again = train(synthetic, tmp_path / "cut", max_epochs=3, resume=True, **values)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_no_step_waits_for_the_gpu(synthetic: Path, tmp_path: Path) -> None:
    """PyTorch raises an error where a step would wait for the GPU."""
    from ignite.engine import Events
    from workflows import workflow

    settings = {**SMALL, **SHORT, "batch_size": 2, "num_workers": 0, "max_epochs": 1, "steps_per_epoch": 6, "amp": True}
    made = workflow(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path), **settings)
    made.initialize()
    trainer = made.parser.get_parsed_content("train#trainer")

    def watch(how: str) -> None:
        torch.cuda.set_sync_debug_mode(how)

    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), lambda: watch("error"))  # the first ones warm up
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), lambda: watch("default"))
    try:
        made.run()
    finally:
        watch("default")


def test_processes_of_several_gpus_train_one_bundle(synthetic: Path, tmp_path: Path) -> None:
    """By NCCL, one process a GPU; with one GPU it is one process, which joins all the same."""
    count = torch.cuda.device_count()
    files = [str(BUNDLE / "configs" / name) for name in ("train.json", "multi_gpu_train.json")]
    values = {"dataset_dir": synthetic, "output_dir": tmp_path / "out", "channels": "[4,8]", "tile": 66, **SHORT}
    keys = [part for key, value in values.items() for part in (f"--{key}", str(value))]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    command = [*torchrun, "-m", "monai.bundle", "run", "--config_file", str(files), "--progress", "False", *keys]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "models" / "model.pt").is_file()
