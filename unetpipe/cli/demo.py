"""``unetpipe demo``: the main job from nothing, on synthetic touching cells in the layout of real data."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unetpipe.bundle.writing import find_bundle
from unetpipe.datasets import find_records, measure_records, select, write_synthetic_ctc
from unetpipe.errors import InputError
from unetpipe.instances.from_probability import otsu_components
from unetpipe.io import read_image, read_labels
from unetpipe.metrics import object_jaccards

TRAIN_SEQUENCES, VAL_SEQUENCES, TEST_SEQUENCES = [*range(1, 11)], [11, 12], [13, 14, 15, 16]
NARROW = {"channels": [16, 32, 64, 128, 256], "tile": 252, "batch_size": 2}
LENGTH = {"max_epochs": 20, "steps_per_epoch": 60, "val_interval": 4}


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("demo", help="train on synthetic touching cells, segment and score held-out ones")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for everything it writes (demo)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the data, train, evaluate on sequences never seen, segment them, and say where everything is."""
    data, model = options.output / "data", options.output / "model"
    print(f"Writing synthetic touching cells to {data}", flush=True)
    write_synthetic_ctc(data, sequences=TEST_SEQUENCES[-1], frames=4)
    test = select(find_records(data), TEST_SEQUENCES)
    cells = measure_records(test)
    print(f"{cells.cells} cells in {len(test)} test images; {cells.touching:.0%} of them touch another", flush=True)

    train_config = find_bundle() / "configs" / "train.json"
    arguments = {"dataset_dir": data, "output_dir": model, "train_sequences": TRAIN_SEQUENCES}
    monai_bundle("training", train_config, **arguments, val_sequences=VAL_SEQUENCES, **NARROW, **LENGTH)
    configs = model / "configs"
    evaluation = [str(configs / "train.json"), str(configs / "evaluate.json")]
    monai_bundle("evaluating", evaluation, eval_sequences=TEST_SEQUENCES, output_dir=options.output / "test")
    masks = options.output / "masks"
    first = f"{TEST_SEQUENCES[0]:02d}"
    monai_bundle("run", configs / "inference.json", dataset_dir=data / first, output_dir=masks)

    truth = [read_labels(record["label"]) for record in test]
    ours = [read_labels(options.output / "test" / record["mask_name"]) for record in test]
    otsu = [otsu_components(read_image(record["image"])[0]) for record in test]
    print(f"\nSEG on {cells.cells} cells in {len(test)} images of sequences that took no part in training:")
    print(f"  U-Net                              {seg(truth, ours):.5f}")
    print(f"  Otsu's threshold and components    {seg(truth, otsu):.5f}")
    print(f"Trained bundle:   {model}")
    print(f"Masks, 16 bit:    {masks}")
    print(f"Report, training: {model / 'report.html'}")
    print(f"Report, test:     {options.output / 'test' / 'report.html'}")
    print(f"Overlay picture:  {options.output / 'test' / 'overlays' / f'{first}_RES' / 'mask000.png'}")


def seg(truths: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """Return SEG over all cells of several frames."""
    return float(np.concatenate([object_jaccards(*pair) for pair in zip(truths, results, strict=True)]).mean())


def monai_bundle(run_id: str, config: object, **arguments: object) -> None:
    """Run ``python -m monai.bundle run``, printing the command so that a user can repeat it.

    Raises
    ------
    InputError
        If the command fails; it has said why.
    """
    command = ["-m", "monai.bundle", "run", run_id, "--config_file", str(config)]
    for key, value in arguments.items():
        command += [f"--{key}", str(value)]
    print(f"\n$ python {shlex.join(command)}\n", flush=True)
    status = subprocess.run([sys.executable, *command], check=False).returncode
    if status != 0:
        raise InputError(f"The command above ended with status {status}.")
