"""Does it pay to label the image that ``unetpipe label`` asks for? SEG against the number of labelled images.

The data are synthetic sequences with one frame each; each has its own cell size, contrast, noise and blur. Both
strategies begin with the same labelled image and the same random weights. After each further image, the training of the
network continues with the settings of the bundle. Two more frames are for validation (they choose the threshold), and
eight others are scored.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigWorkflow

from unetpipe.bundle.writing import find_bundle
from unetpipe.datasets import write_synthetic_ctc
from unetpipe.io import read_image, read_labels
from unetpipe.label.uncertainty import border_uncertainty
from unetpipe.metrics import object_jaccards
from unetpipe.predictor import Predictor

POOL, VALIDATION, TEST = 16, 2, 8
NETWORK: dict[str, Any] = {"channels": [8, 16, 32], "tile": 140, "batch_size": 1, "amp": False, "progress": False}
LENGTH: dict[str, Any] = {"max_epochs": 1, "steps_per_epoch": 120, "val_interval": 1}

Record = dict[str, str]
Choice = Callable[[Predictor, Sequence[Record], random.Random], Record]


def uncertain(model: Predictor, pool: Sequence[Record], draw: random.Random) -> Record:
    """Return the image whose outlines are least certain."""
    return max(pool, key=lambda record: border_uncertainty(model(picture(record), return_probabilities=True)[1]))


def at_random(model: Predictor, pool: Sequence[Record], draw: random.Random) -> Record:
    """Return any image."""
    return draw.choice(pool)


def curve(choose: Choice, records: Sequence[Record], seed: int, labels: int, folder: Path) -> list[float]:
    """Return SEG on the test frames after 1, 2 … labelled images; both strategies share the first training."""
    pool, val, test = list(records[:POOL]), records[POOL : POOL + VALIDATION], records[POOL + VALIDATION :]
    draw = random.Random(seed)
    labelled, model = [pool.pop(draw.randrange(len(pool)))], None
    scores = []
    for number in range(1, labels + 1):
        output = folder / (choose.__name__ if number > 1 else "first") / str(number)
        if not output.exists():
            train(labelled, val, output, seed, model)
        model = output / "models" / "model.pt"
        segmenter = Predictor.load(output)
        scores.append(score(segmenter, test))
        if number < labels:
            chosen = choose(segmenter, pool, draw)
            pool.remove(chosen)
            labelled.append(chosen)
    return scores


def frames(folder: Path, seed: int) -> list[Record]:
    """Write the frames of a seed and return their images and labels."""
    number = POOL + VALIDATION + TEST
    write_synthetic_ctc(folder, sequences=number, frames=1, shape=(160, 160), seed=seed)
    names = [f"{sequence:02d}" for sequence in range(1, number + 1)]
    return [
        {"image": str(folder / name / "t000.tif"), "label": str(folder / f"{name}_GT" / "SEG" / "man_seg000.tif")}
        for name in names
    ]


def train(labelled: Sequence[Record], val: Sequence[Record], output: Path, seed: int, model: Path | None) -> None:
    """Train by the bundle's ``train.json``, as a MONAI Label server does."""
    bundle = find_bundle()
    overrides: dict[str, Any] = {
        "train#dataset#data": list(labelled),
        "validate#dataset#data": list(val),
        "min_size": 0,
    }
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / "train.json"),
        logging_file=False,
        workflow_type="train",
        bundle_root=str(bundle),
        output_dir=str(output),
        seed=seed,
        run=["$@train#trainer.run()"],
        **NETWORK,
        **LENGTH,
        **overrides,
    )
    if model is not None:
        load = {"_target_": "CheckpointLoader", "load_path": str(model), "load_dict": {"model": "@network"}}
        workflow.parser["train#handlers"].insert(0, load)
    workflow.initialize()
    workflow.run()


def score(segmenter: Predictor, test: Sequence[Record]) -> float:
    """Return SEG over all cells of the test frames."""
    pairs = [(read_labels(record["label"]), segmenter(picture(record))) for record in test]
    return float(np.concatenate([object_jaccards(truth, result) for truth, result in pairs]).mean())


def picture(record: Record) -> np.ndarray:
    """Read the image of a record."""
    return read_image(record["image"])[0]


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.active_learning", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="repetitions, each with its own frames (5)")
    parser.add_argument("--labels", type=int, default=5, help="number of labelled images at the end (5)")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    found: dict[str, list[list[float]]] = {"uncertain": [], "at_random": []}
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            records = frames(Path(folder) / "data", seed)
            for choose in (uncertain, at_random):
                found[choose.__name__].append(curve(choose, records, seed, options.labels, Path(folder)))
                scores = " ".join(f"{seg:.3f}" for seg in found[choose.__name__][-1])
                print(f"seed {seed} {choose.__name__}: {scores}", flush=True)
    ours, chance = (np.array(found[name]) for name in ("uncertain", "at_random"))
    print("\nlabelled   uncertain       random          difference       better in")
    for number in range(options.labels):
        gain = ours[:, number] - chance[:, number]
        columns = [f"{values.mean():.3f} ± {values.std():.3f}" for values in (ours[:, number], chance[:, number])]
        difference = f"{gain.mean():+.3f} ± {gain.std():.3f}"
        print(f"{number + 1:8}   {'   '.join(columns)}   {difference}   {(gain > 0).sum()} of {len(gain)}")


if __name__ == "__main__":
    main()
