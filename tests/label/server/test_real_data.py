"""HeLa cells and U373 cells, by the model that comes with the package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serving import Server, label, pixels, trained

from unetpipe.bundle.writing import find_bundle

pytestmark = pytest.mark.label

FRAMES = (2, 21, 39, 54, 67)
LABELLED = (2, 39)


@pytest.fixture(scope="module")
def real(real_data: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our server on five frames of HeLa cells, two with their gold masks as labels, and one of U373 cells."""
    studies = tmp_path_factory.mktemp("real") / "studies"
    studies.mkdir()
    for frame in FRAMES:
        shutil.copy(real_data / f"ctc/DIC-C2DH-HeLa/01/t{frame:03d}.tif", studies)
    shutil.copy(real_data / "ctc/PhC-C2DH-U373/01/t000.tif", studies / "u373.tif")
    yield from label(studies, environment)


def test_served_mask_is_that_of_the_bundle(real: Server, environment: dict[str, str], tmp_path: Path):
    program = [sys.executable, "-m", "monai.bundle", "run", "--config_file"]
    keys = ["--dataset_dir", str(real.studies / "u373.tif"), "--output_dir", str(tmp_path)]
    command = [*program, str(find_bundle() / "configs" / "inference.json"), *keys]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    mask, written = pixels(real.client.infer("cells", "u373", {})[0]), pixels(tmp_path / "u373_mask.tif")
    assert mask.shape == (520, 696)
    assert mask.dtype == written.dtype == np.uint16
    np.testing.assert_array_equal(mask, written)


def test_gold_masks_train(real: Server, real_data: Path, capsys: pytest.CaptureFixture):
    for frame in LABELLED:
        gold = real_data / f"ctc/DIC-C2DH-HeLa/01_GT/SEG/man_seg{frame:03d}.tif"
        real.client.save_label(f"t{frame:03d}", str(gold), tag="final")
    before = (real.bundle / "models" / "model.pt").read_bytes()
    status = trained(real, "cells", max_epochs=1, steps_per_epoch=3, learning_rate=0.0001)
    said = "\n".join(status["details"])
    assert status["status"] == "DONE", said
    result = re.search(r"val_seg (0\.\d+) before, (0\.\d+) after: the (new|old) model", said)
    assert result, said
    with capsys.disabled():
        print("\nHeLa cells:", result[0])
    first, last = float(result[1]), float(result[2])
    assert (result[3] == "new") == (last > first) == ((real.bundle / "models" / "model.pt").read_bytes() != before)
