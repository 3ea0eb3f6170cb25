"""Measure how long the network waits in a training by ``train.json``, and how much memory many frames take."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.speed.cells import cell_image, cell_map
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row
from unetpipe.bundle.writing import find_bundle
from unetpipe.io import write_labels

NAME = "training"
CODE = """
import json, sys
import torch
from monai.bundle import ConfigWorkflow
torch.set_num_threads(int(sys.argv[2]))
workflow = ConfigWorkflow(
    logging_file=False, workflow_type="train", val_interval=1000, progress=False, **json.loads(sys.argv[1])
)
workflow.initialize()
workflow.run()
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]  # KiB, of this process
print("MEASURED", workflow.parser.get_parsed_content("train#trainer").state.metrics["waiting"], peak)
"""
SMALL = {
    "channels": [16, 32, 64, 128, 256],
    "tile": 252,
    "num_workers": 2,
    "device": "$torch.device('cpu')",
}


def run(settings: Settings) -> list[Row]:
    """Train in processes of their own, without a GPU, on 24 and on 1000 frames of 512²."""
    few, many, steps = (24, 1000, 100) if not settings.quick else (4, 6, 3)
    with tempfile.TemporaryDirectory() as folder:
        shares = []
        for number in range(settings.repeats):
            share, _ = train(Path(folder) / f"waiting{number}", few, steps_per_epoch=steps, max_epochs=2, **SMALL)
            shares.append(100 * share)
        steps = 10 if not settings.quick else 2
        _, peak = train(Path(folder) / "many", many, steps_per_epoch=steps, max_epochs=1, **SMALL)
    return [
        Row(
            NAME,
            "width 16, 252-tiles, two workers: share of the time in which the network waits for data",
            statistics.median(shares),
            "%",
            "<=",
            10,
            seen=f"{min(shares):.2g}–{max(shares):.2g}",
        ),
        Row(NAME, f"{many} frames of 512²: memory of the process without its workers", peak, "GiB", "<=", 4),
    ]


def write_frames(folder: Path, count: int) -> None:
    """Write a Cell Tracking Challenge set of equal frames, each 512² with 50 cells, all of gold truth."""
    label = cell_map(512, 50)
    image = Image.fromarray(cell_image(label))
    for number in range(count):
        name = f"{number:04d}"
        (folder / "01").mkdir(parents=True, exist_ok=True)
        image.save(folder / "01" / f"t{name}.tif")
        write_labels(folder / "01_GT" / "SEG" / f"man_seg{name}.tif", label)
        write_labels(folder / "01_GT" / "TRA" / f"man_track{name}.tif", label)


def train(folder: Path, frames: int, **settings: Any) -> tuple[float, float]:
    """Train by ``train.json`` with other settings, in a process of its own, on so many frames.

    Returns
    -------
    float
        The share of the last epoch's time in which the network waits for data.
    float
        Peak memory of the process, without its workers', in GiB.
    """
    write_frames(folder / "data", frames)
    bundle = find_bundle()
    settings |= {
        "bundle_root": str(bundle),
        "config_file": str(bundle / "configs" / "train.json"),
        "dataset_dir": str(folder / "data"),
        "output_dir": str(folder / "out"),
        "val_frames": f"{frames - max(frames // 10, 1)}-{frames - 1}",
    }
    result = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(settings), str(torch.get_num_threads())],
        check=True,
        capture_output=True,
        text=True,
    )
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("MEASURED")]
    share, peak = line.split()[1:]
    return float(share), int(peak) / 2**20
