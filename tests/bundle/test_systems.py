"""The overlays of the other systems: each trains on a few small images of its layout, is evaluated, and segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from membranes import membranes
from PIL import Image
from workflows import run, workflow

from unetpipe.morphometry import measure_volume

TINY: dict[str, Any] = {
    "max_epochs": 1,
    "steps_per_epoch": 2,
    "val_interval": 1,
    "progress": False,
    "amp": False,
}
SMALL_NET = {"channels": [4, 8], "tile": 66}


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def discs(shape: tuple[int, int], spacing: int = 20, radius: int = 6) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = ((y % spacing) - spacing // 2) ** 2 + ((x % spacing) - spacing // 2) ** 2 <= radius**2
    return np.where(inside, 1 + (y // spacing) * 100 + x // spacing, 0)


def evaluate(trained: Path, output: Path, *overlays: str, **overrides: Any) -> dict[str, Any]:
    """Evaluate on the validation part and return scores.json."""
    run(["train.json", *overlays, "evaluate.json"], trained, output_dir=str(output), progress=False, **overrides)
    return json.loads((output / "scores.json").read_text())


def test_nuclei_of_two_sizes_and_stains(tmp_path: Path):
    data, rng = tmp_path / "data", np.random.default_rng(0)
    for number in range(4):
        label = discs([(60, 80), (80, 60)][number % 2])
        bright = np.where(label > 0, 160, 30) if number < 2 else np.where(label > 0, 60, 200)
        pixels = np.clip(bright[..., None] + rng.normal(0, 9, (*label.shape, 4)), 0, 255).astype(np.uint8)
        save(data / f"id{number}" / "images" / f"id{number}.png", pixels)
        for cell in np.unique(label[label > 0]):
            save(data / f"id{number}" / "masks" / f"{cell}.png", np.where(label == cell, 255, 0).astype(np.uint8))
    trained = tmp_path / "trained"
    made = run(["train.json", "nuclei.json"], dataset_dir=str(data), output_dir=str(trained), **TINY, **SMALL_NET)
    assert made.parser.get_parsed_content("validate#evaluator").state.key_metric_name == "val_mean_precision"
    assert len(made.parser.get_parsed_content("train#dataloader")) == TINY["steps_per_epoch"]
    kept = json.loads((trained / "configs" / "inference.json").read_text())
    assert kept["normalization"].endswith("NormalizeBrightd")  # so that no overlay is needed any more
    assert {"IoU", "mean_precision"} <= set(evaluate(trained, tmp_path / "scores"))
    made = workflow(
        ["inference.json"],
        trained,
        dataset_dir=str(data),
        output_dir=str(tmp_path / "masks"),
        progress=False,
    )
    made.initialize()
    made.run()
    assert len(list((tmp_path / "masks").glob("id*_mask.tif"))) == 4


@pytest.fixture
def endothelium(tmp_path: Path) -> Path:
    """Three images of square cells of 15 pixels, annotated in the middle."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:90, :110]
    border = (y % 16 == 0) | (x % 16 == 0)
    field = (y >= 16) & (y <= 64) & (x >= 16) & (x <= 80)
    for name in "abc":
        image = np.clip(np.where(border, 60, 140) + rng.normal(0, 8, border.shape), 0, 255).astype(np.uint8)
        save(tmp_path / "data" / "images" / f"{name}.png", image)
        save(tmp_path / "data" / "borders" / f"{name}.png", np.where(border & field, 255, 0).astype(np.uint8))
        save(tmp_path / "data" / "field" / f"{name}.png", np.where(field, 255, 0).astype(np.uint8))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("overlays", "net"),
    [([], SMALL_NET), (["small_padded.json", "dice_ce.json"], {"channels": [4, 4], "tile": 32})],
    ids=["unpadded", "small_padded"],
)
def test_endothelium(overlays: list[str], net: dict[str, Any], endothelium: Path, tmp_path: Path):
    trained = tmp_path / "trained"
    configs = ["train.json", "endothelium.json", *overlays]
    run(configs, dataset_dir=str(endothelium), output_dir=str(trained), **TINY, **net)
    scores = evaluate(trained, tmp_path / "scores")
    assert 0 <= scores["border_Dice_exact"] <= scores["border_Dice"] <= 1


def thorax(slices: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A synthetic thorax in Hounsfield units, (I, J, K), and its lungs: ellipses of −800 in a body of 40 in air."""
    x, y, z = np.mgrid[:48, :40, :slices]
    body = ((x - 24) / 22) ** 2 + ((y - 20) / 17) ** 2 < 1
    lungs = np.zeros(body.shape, bool)
    for centre in (13, 35):
        lungs |= ((x - centre) / 8) ** 2 + ((y - 20) / (11 - z)) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 15, body.shape)
    return (np.where(lungs, -800, np.where(body, 40, -1000)) + noise).astype(np.int16), lungs


def test_lungs_and_a_volume_in_hounsfield_units(tmp_path: Path):
    volume, lungs = thorax(5)
    data, trained = tmp_path / "data", tmp_path / "trained"
    data.mkdir()
    np.save(data / "images.npy", np.moveaxis(volume, -1, 0)[..., None].astype(np.float32))
    np.save(data / "masks.npy", np.moveaxis(lungs, -1, 0)[..., None].astype(np.float32))
    net = {"channels": [4, 8], "tile": 66, "batch_size": 2}
    longer = {**TINY, "steps_per_epoch": 160, "learning_rate": 0.003, "ema_momentum": 0.1}
    run(["train.json", "lungs.json"], dataset_dir=str(data), output_dir=str(trained), **longer, **net)
    assert evaluate(trained, tmp_path / "scores")["Dice"] > 0.8
    affine = np.diag([-0.7, -0.7, 2.5, 1.0])
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "ct.nii.gz")
    made = workflow(
        ["inference.json", "lungs_ct.json"],
        trained,
        dataset_dir=str(tmp_path / "ct.nii.gz"),
        output_dir=str(tmp_path / "masks"),
        progress=False,
    )
    made.initialize()
    made.run()
    mask = nibabel.load(tmp_path / "masks" / "ct_mask.nii.gz")
    assert mask.shape == volume.shape
    assert np.allclose(mask.affine, affine)
    found = np.asarray(mask.dataobj) > 0
    assert 2 * np.count_nonzero(found & lungs) > 0.8 * (np.count_nonzero(found) + np.count_nonzero(lungs))
    millilitres = np.count_nonzero(lungs) * 0.7 * 0.7 * 2.5 / 1000
    assert measure_volume(tmp_path / "masks" / "ct_mask.nii.gz").volume == pytest.approx(millilitres, rel=0.2)


@pytest.mark.parametrize(("overlays", "window"), [(["n4.json"], 95), (["n4.json", "n4_fovea.json"], 139)])
def test_sliding_window_net_trains_on_windows_and_is_evaluated(tmp_path: Path, overlays: list[str], window: int):
    data, trained = membranes(tmp_path / "data"), tmp_path / "trained"
    net = {"channels": [4, 4, 4, 4], "tile": 150, "windows": 4}
    split = {"train_frames": "0-1", "val_frames": "2"}
    made = run(["train.json", *overlays], dataset_dir=str(data), output_dir=str(trained), **TINY, **net, **split)
    windows = made.parser.get_parsed_content("train#dataset")[0]
    assert [item["image"].shape for item in windows] == [(1, window, window)] * 4
    assert all(item["label"].shape == item["weight"].shape == (1, 1, 1) for item in windows)
    assert all(float(item["weight"]) == 1 for item in windows)  # none is centred outside the image
    assert "pixel_error" in evaluate(trained, tmp_path / "scores")
