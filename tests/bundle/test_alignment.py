"""Image, label, weight and unknown cells stay aligned through the whole chain, on a non-square, asymmetric image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflows import SHORT, SMALL, workflow

from unetpipe.io import write_labels

ANNOTATED, LEFT_OUT = (slice(10, 40), slice(20, 62)), (slice(48, 84), slice(76, 120))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Grey 100 where the gold truth has a cell, 200 where it leaves one out, 0 elsewhere; 90 × 130 pixels."""
    root = tmp_path / "set"
    image, gold = np.zeros((90, 130), np.uint8), np.zeros((90, 130), np.int32)
    image[ANNOTATED], image[LEFT_OUT] = 100, 200
    gold[ANNOTATED] = 1
    silver = gold.copy()
    silver[LEFT_OUT] = 2
    (root / "01").mkdir(parents=True)
    for frame in (0, 1):
        Image.fromarray(image).save(root / "01" / f"t{frame:03d}.tif")
        write_labels(root / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif", gold)
        write_labels(root / "01_GT" / "TRA" / f"man_track{frame:03d}.tif", silver)
        write_labels(root / "01_ST" / "SEG" / f"man_seg{frame:03d}.tif", silver)
    return root


def test_chain_keeps_everything_aligned(dataset: Path, tmp_path: Path):
    made = workflow(["train.json"], dataset_dir=str(dataset), output_dir=str(tmp_path / "out"), **SMALL, **SHORT)
    parser = made.parser
    chain = parser["train#random_transforms"]
    # what moves pixels; what changes grey values is left out
    parser["train#random_transforms"] = {name: chain[name] for name in ("mirror_crop", "elastic", "crop_to_output")}
    transform = parser.get_parsed_content("train#preprocessing")
    record = parser.get_parsed_content("split")["train"][0]
    side = parser.get_parsed_content("network_def").output_size(SMALL["tile"])
    margin = (SMALL["tile"] - side) // 2

    grey = np.zeros((90, 130))
    grey[ANNOTATED], grey[LEFT_OUT] = 100, 200
    seen_cells = seen_unknown = 0
    for seed in range(40):
        transform.set_random_state(seed)
        item = transform(record)
        image = item["image"][0, margin:-margin, margin:-margin].numpy() * grey.std() + grey.mean()
        label, weight = item["label"][0].numpy(), item["weight"][0].numpy()
        assert image.shape == label.shape == weight.shape == (side, side)
        cell, unknown = (image > 50) & (image < 150), image > 150
        # outlines are a pixel wide in doubt: bilinear image and weight, nearest label
        assert ((label > 0) != cell).mean() < 0.08
        assert ((weight < 0.5) != unknown).mean() < 0.08
        seen_cells += np.count_nonzero(label)
        seen_unknown += np.count_nonzero(weight == 0)
    assert seen_cells > 1000
    assert seen_unknown > 1000
