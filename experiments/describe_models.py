"""Store with each model of the bundle what it was trained on, for the warnings of results that do not fit.

Usage: ``python -m experiments.describe_models DATA MODELS [NAME …]``, with DATA as of :mod:`experiments.pack_data` and
MODELS a folder such as ``bundles/unet_isbi/models``. The cells, their share of the frames and the detail are those of
the frames that trained. The doubt is the highest one on the frames that chose. A model of many kinds of images also
keeps the means of groups of alike images. ``dic_hela`` is the bundle's default model, too: copy its values to
``configs/inference.json``.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.cluster.vq import kmeans2

from experiments.known import known_pixels
from experiments.pack_data import PARTLY_ANNOTATED, SEQUENCES, median_area, nuclei_records, role_of
from unetpipe.bundle.models import TRAINED_ON
from unetpipe.bundle.writing import find_bundle
from unetpipe.datasets import Record, find_records, read_truth
from unetpipe.datasets.pixels import read_for_network
from unetpipe.files import write_text
from unetpipe.instances.trained_on import TrainedOn, describe_image, doubt, image_detail
from unetpipe.io import read_labels
from unetpipe.predictor import Predictor
from unetpipe.training.facts import FRAMES, describe_frames

SETS = {
    "dic_hela": "dic",
    "phc_u373": "u373",
    "fluo_gowt1": "gowt1",
    "fluo_sim": "sim",
    "fluo_msc": "msc",
    "isbi2012": "isbi",
}
NUCLEI = "nuclei"  # trained on the images of the Data Science Bowl, and on frames of other nuclei
LISTS = re.compile(r"\[[^\[\]]*\]")  # of numbers, on one line each
KINDS = 40  # groups of alike images, of a model of many kinds
LARGEST = 600_000  # px, of images whose doubt is measured: larger ones take too long


def main() -> None:
    """Describe the models that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("names", nargs="*", default=[*SETS, NUCLEI])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.names:
        predictor = Predictor.load(find_bundle(), name).prepare()
        if name == NUCLEI:
            # the truth of GOWT1 is partial, so it says nothing of the share of cells
            others, _ = sequence_parts(arguments.data, "gowt1")
            facts = describe(predictor, *nuclei_parts(arguments.data), others)
        else:
            facts = describe(predictor, *sequence_parts(arguments.data, SETS[name]), data=SETS[name])
        path = arguments.models / name / "inference.json"
        values = {**json.loads(path.read_text()), TRAINED_ON: facts.as_values()}
        write_text(path, LISTS.sub(on_one_line, json.dumps(values, indent=4)) + "\n")
        print(name, facts, flush=True)


def on_one_line(found: re.Match) -> str:
    """Return a JSON list on one line."""
    return json.dumps(json.loads(found[0]))


def sequence_parts(root: Path, data: str) -> tuple[list[Record], list[Record]]:
    """Return the records that train and that choose."""
    folder, parts = SEQUENCES[data]
    records = {record["frame"]: record for record in find_records(str(root / folder))}
    train, choose = ([records[number] for number in sorted(numbers)] for numbers in parts[:2])
    return train, choose


def nuclei_parts(root: Path) -> tuple[list[Record], list[Record]]:
    """Return the images and the simulated frames that train, and the images that choose."""
    train, choose = [], []
    for records in nuclei_records(root).values():
        for place, record in enumerate(records, start=1):
            role = role_of(place, len(records))
            if role != "score":
                (train if role == "train" else choose).append(record)
    return train + sequence_parts(root, "sim")[0], choose


def describe(
    predictor: Predictor,
    train: Sequence[Record],
    choose: Sequence[Record],
    others: Sequence[Record] = (),
    data: str = "",
) -> TrainedOn:
    """Return what a model was trained on; of other records that trained, only the images are described."""
    area = median_area(train) if data in PARTLY_ANNOTATED else 0.0
    step = max(len(train) // FRAMES, 1)
    frames = []
    for number, record in enumerate(train):
        pixels = read_for_network(record, predictor.channels)
        truth, known = read_truth(record)
        if data in PARTLY_ANNOTATED:
            known = known_pixels(pixels[0], truth, read_labels(record["markers"]), area)
        frames.append((truth, known, normalized(pixels, predictor) if number % step == 0 else None))
    facts = describe_frames(frames)
    doubts = []
    for record in choose:
        pixels = read_for_network(record, predictor.channels)
        if pixels[0].size <= LARGEST or data:
            probabilities = predictor.segment(np.moveaxis(pixels, 0, -1), "yxc")[1]
            doubts.append(doubt(probabilities, facts.cell_areas[2]))
    facts = replace(facts, doubt=round(max(doubts), 4))
    if data:
        return facts
    described = []
    for record in (*train, *others):
        image = normalized(read_for_network(record, predictor.channels), predictor)
        described.append(describe_image(image, image_detail(image)))
    kinds, _ = kmeans2(described, KINDS, iter=50, minit="++", rng=0)
    return replace(facts, kinds=tuple(tuple(round(part, 3) for part in kind) for kind in kinds.tolist()))


def normalized(pixels: np.ndarray, predictor: Predictor) -> np.ndarray:
    """Return an image (C, H, W) as the network takes it."""
    return np.asarray(predictor.normalize({"image": torch.from_numpy(pixels.astype(np.float32))})["image"])


if __name__ == "__main__":
    main()
