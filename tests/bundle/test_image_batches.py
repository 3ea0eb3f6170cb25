"""Images of one size go through the network together; the masks are those of one by one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflows import BUNDLE, run

from unetpipe.io import read_labels

FOLDER = BUNDLE / "models" / "fluo_sim"
MODEL = {**json.loads((FOLDER / "inference.json").read_text()), "weights": str(FOLDER / "model.pt")}


@pytest.mark.parametrize("rotations", [0, 8])
def test_masks_are_the_same_in_batches_and_each_image_has_one(
    rotations: int, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, path in enumerate(sorted((synthetic / "01").glob("t*.tif"))):
        shutil.copy(path, images / f"{number}.tif")
    cropped = np.asarray(Image.open(images / "0.tif"))[:80]
    Image.fromarray(cropped).save(images / "0a.tif")  # of another size, between the others
    found = {}
    for batch in (1, 4):
        values = {"dataset_dir": str(images), "output_dir": str(tmp_path / str(batch))}
        run(["inference.json"], **{**MODEL, "rotations": rotations}, **values, image_batch=batch, amp=False)
        assert "4 images" in capsys.readouterr().out
        found[batch] = {path.name: read_labels(path) for path in (tmp_path / str(batch)).glob("*.tif")}
    assert len(found[1]) == 4
    assert found[1].keys() == found[4].keys()
    for name, labels in found[1].items():
        np.testing.assert_array_equal(labels, found[4][name])
    assert any(labels.max() > 0 for labels in found[1].values())
