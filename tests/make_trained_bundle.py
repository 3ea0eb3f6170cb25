"""Write ``tests/trained_bundle``, the bundle that every later version must be able to use.

    python tests/make_trained_bundle.py

Run it only while no released version has written such a bundle: afterwards the stored bundle stays as it is, and the
code keeps up with it. The folder holds six synthetic images with their masks, what a short training by ``train.json``
wrote, and the masks and scores that this bundle gave.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from workflows import run

from unetpipe.bundle.writing import write_bundle
from unetpipe.datasets import write_synthetic_ctc
from unetpipe.io import read_labels

FOLDER = Path(__file__).parent / "trained_bundle"
CONFIGS = ("evaluate.json", "inference.json", "metadata.json", "train.json")
QUIETLY = {"amp": False, "progress": False, "num_workers": 0}


def main() -> None:
    """Train, segment and evaluate."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    data = write_data(FOLDER / "data")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        network = {"channels": [4, 8, 16], "tile": 100, "dropout": 0.0}
        # as if stopped after 12 of 16 epochs: the learning rate is not yet 0, so resuming changes the weights
        length = {"max_epochs": 12, "lr_scheduler#T_max": 16, "steps_per_epoch": 20, "learning_rate": 0.01}
        split = {"val_frames": "0,3", "train_frames": "1,2,4,5"}
        arguments = {
            "dataset_dir": str(data),
            "output_dir": str(made),
            **QUIETLY,
            "ema_momentum": 0.05,
            "val_interval": 4,
        }
        run(["train.json"], **arguments, **network, **length, **split)
        write_bundle(made, made, {"dataset_dir": "data"})  # no path of this machine
        for name in (*(f"configs/{config}" for config in CONFIGS), "models/model.pt", "checkpoints/last.pt"):
            (FOLDER / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(made / name, FOLDER / name)
        arguments = {"dataset_dir": str(data), "amp": False, "progress": False}
        run(["inference.json"], FOLDER, output_dir=str(made / "masks"), **arguments)
        run(["train.json", "evaluate.json"], FOLDER, output_dir=str(made / "scored"), **arguments)
        for image in sorted((data / "images").glob("*.png")):
            (mask,) = (made / "masks").rglob(f"{image.stem}*.tif")
            write_png(FOLDER / "expected" / image.name, read_labels(mask))
        scores = json.loads((made / "scored" / "scores.json").read_text())
        (FOLDER / "expected" / "scores.json").write_text(json.dumps(scores, indent=4) + "\n")


def write_data(folder: Path) -> Path:
    """Write six synthetic images and their masks as paired folders."""
    with tempfile.TemporaryDirectory() as made:
        write_synthetic_ctc(made, sequences=2, frames=3, shape=(96, 128))
        for path in sorted(Path(made).glob("0[12]/t*.tif")):
            name = f"{path.parent.name}_{path.stem}.png"
            truth = Path(made) / f"{path.parent.name}_GT" / "SEG" / path.name.replace("t", "man_seg", 1)
            (folder / "images").mkdir(parents=True, exist_ok=True)
            Image.open(path).save(folder / "images" / name)
            write_png(folder / "masks" / name, read_labels(truth))
    return folder


def write_png(path: Path, labels: np.ndarray) -> None:
    """Write an instance map of at most 255 objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert labels.max() < 256
    Image.fromarray(labels.astype("uint8")).save(path)


if __name__ == "__main__":
    main()
