"""Bad data of one's own under ``python -m monai.bundle``: one sentence, status 1, nothing written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from unetpipe.bundle.writing import find_bundle
from unetpipe.io import write_label_pages

LABEL = np.zeros((20, 30), np.uint8)
LABEL[3:9, 3:9], LABEL[12:18, 20:28] = 1, 2


def mask_without_image(root: Path) -> str:
    Image.fromarray(LABEL).save(root / "masks" / "z_mask.png")
    return "z_mask.png has no image"


def pages_of_another_size(root: Path) -> str:
    write_label_pages(root / "images" / "s.tif", [LABEL + 7, LABEL[:9] + 7])
    write_label_pages(root / "masks" / "s.tif", [LABEL, LABEL])
    return "s.tif, page 1, is 20×30 pixels (height × width), its image is 9×30; they must be alike."


def truncated_volume(root: Path) -> str:
    volume = np.random.default_rng(0).integers(0, 99, (20, 30, 5)).astype(np.uint8)
    for folder in ("images", "masks"):
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), root / folder / "v.nii.gz")
    whole = (root / "images" / "v.nii.gz").read_bytes()
    (root / "images" / "v.nii.gz").write_bytes(whole[: len(whole) // 2])
    return "v.nii.gz cannot be read as a NIfTI volume"


def no_mask(root: Path) -> str:
    for path in (root / "masks").iterdir():
        path.unlink()
    return "has a mask; images and masks are matched by their names"


def no_cell_to_validate(root: Path) -> str:
    Image.fromarray(LABEL * 0).save(root / "masks" / "b.png")
    return "The validation part holds no cell"


@pytest.mark.parametrize(
    "spoil", [mask_without_image, pages_of_another_size, truncated_volume, no_mask, no_cell_to_validate]
)
def test_one_sentence_and_nothing_written(spoil: Callable[[Path], str], tmp_path: Path):
    for folder, pixels in (("images", LABEL + 9), ("masks", LABEL)):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for name in "ab":
            Image.fromarray(pixels).save(tmp_path / "set" / folder / f"{name}.png")
    sentence = spoil(tmp_path / "set")
    config = str(find_bundle() / "configs" / "train.json")
    command = [sys.executable, "-m", "monai.bundle", "run", "training", "--config_file", config]
    command += ["--dataset_dir", "set", "--channels", "[2,4]", "--tile", "66"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert sentence in last
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
