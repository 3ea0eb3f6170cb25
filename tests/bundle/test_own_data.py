"""Training, evaluation and inference from the configs on every layout but the challenge's own."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from workflows import SMALL, run

from unetpipe.io import count_pages, read_image, read_labels, write_label_pages

SHORT = {"max_epochs": 1, "steps_per_epoch": 2, "val_interval": 1}
AFFINE = np.diag([0.5, -0.7, 2.5, 1.0])


@pytest.fixture
def frames(synthetic: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one sequence, (3, 96, 128)."""
    names = [f"{number:03d}.tif" for number in range(3)]
    images = np.stack([read_image(synthetic / "01" / f"t{name}")[0] for name in names])
    return images, np.stack([read_labels(synthetic / "01_GT" / "SEG" / f"man_seg{name}") for name in names])


def train_and_use(data: Path, tmp_path: Path, **overrides: object) -> tuple[list[Path], list[Path]]:
    """Train, evaluate and infer on a set; return the mask files of inference and of evaluation."""
    trained, masks, scored = (tmp_path / name for name in ("trained", "masks", "scored"))
    run(["train.json"], dataset_dir=str(data), output_dir=str(trained), **SMALL, **SHORT, **overrides)
    run(["inference.json"], trained, output_dir=str(masks), progress=False)
    run(["train.json", "evaluate.json"], trained, output_dir=str(scored), progress=False)
    assert len(list(scored.rglob("*.png"))) == len(list(scored.rglob("*.tif"))) > 0
    return tuple(sorted(path for path in folder.rglob("*mask*") if path.suffix != ".png") for folder in (masks, scored))


def page_of(mask: Path) -> int:
    """Return the page of a stack that maskNNN.tif is of."""
    return int(mask.stem.removeprefix("mask"))


def test_png_pairs_with_binary_masks(frames: tuple[np.ndarray, np.ndarray], tmp_path: Path):
    for folder in ("images", "masks"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(*frames, strict=True)):
        Image.fromarray(image).save(tmp_path / "set" / "images" / f"c{number}.png")
        binary = np.where(label > 0, 255, 0).astype(np.uint8)
        Image.fromarray(binary).save(tmp_path / "set" / "masks" / f"c{number}_mask.png")
    masks, scored = train_and_use(tmp_path / "set", tmp_path)
    assert [path.name for path in masks] == ["c0_mask.tif", "c1_mask.tif", "c2_mask.tif"]
    (validated,) = scored  # one frame of three
    assert np.array_equal(read_labels(validated), read_labels(masks[0].with_name(validated.name)))


def test_a_16_bit_stack_with_instances(frames: tuple[np.ndarray, np.ndarray], tmp_path: Path):
    write_label_pages(tmp_path / "set" / "images" / "plate.tif", list(frames[0].astype(int) * 200))
    write_label_pages(tmp_path / "set" / "labels" / "plate.tif", list(frames[1]))
    (mask,), (scored,) = train_and_use(tmp_path / "set", tmp_path, train_sequences="plate")
    assert mask.name == "plate_mask.tif"
    assert count_pages(mask) == 3
    assert np.array_equal(read_labels(scored), read_labels(mask, page_of(scored)))


def test_rgb_images_with_classes(frames: tuple[np.ndarray, np.ndarray], tmp_path: Path):
    for folder in ("images", "masks"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(*frames, strict=True)):
        Image.fromarray(np.stack([image, image // 2, image // 3], -1)).save(tmp_path / f"set/images/{number}.png")
        Image.fromarray(np.where(label > 0, label % 2 + 1, 0).astype(np.uint8)).save(
            tmp_path / f"set/masks/{number}.png"
        )
    masks, _ = train_and_use(tmp_path / "set", tmp_path, in_channels=3, batch_size=2)
    assert len(masks) == 3
    assert read_labels(masks[0]).shape == (96, 128)


def test_nifti_volumes(frames: tuple[np.ndarray, np.ndarray], tmp_path: Path):
    for folder, stack, dtype in (("images", frames[0], np.int16), ("masks", frames[1], np.float32)):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for name in "ab":
            volume = nibabel.Nifti1Image(np.moveaxis(stack, 0, -1).astype(dtype), AFFINE)
            nibabel.save(volume, tmp_path / "set" / folder / f"{name}.nii.gz")
    masks, scored = train_and_use(tmp_path / "set", tmp_path)
    assert [path.name for path in masks] == ["a_mask.nii.gz", "b_mask.nii.gz"]
    volume = nibabel.load(masks[1])
    assert volume.shape == (96, 128, 3)
    assert np.allclose(volume.affine, AFFINE)
    assert np.array_equal(read_labels(scored[1]), read_labels(masks[1], page_of(scored[1])))


def test_isbi_stacks(frames: tuple[np.ndarray, np.ndarray], tmp_path: Path):
    write_label_pages(tmp_path / "set" / "train-volume.tif", list(frames[0]))
    write_label_pages(tmp_path / "set" / "train-labels.tif", list(np.where(frames[1] > 0, 255, 0)))
    masks, _ = train_and_use(tmp_path / "set", tmp_path, train_frames="0-1", val_frames="2")
    assert [path.name for path in masks] == ["train-volume_mask.tif"]
