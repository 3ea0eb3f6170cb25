from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.stress.perturbations import empty_places
from experiments import ship, stress, train_models
from experiments.known import known_pixels
from experiments.pack_data import role_of
from experiments.packed import Entry, read_frame, read_index, rounding_step, write_frame, write_index
from experiments.recipes import RECIPES
from unetpipe.networks import HalvedUNet, UNet, load_weights


def frame_of(seed: int, side: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return discs on noisy ground, some of which touch."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    label = np.zeros((side, side), np.int32)
    for number in range(1, 9):
        row, column = random.integers(20, side - 20, 2)
        label[((y - row) ** 2 + (x - column) ** 2 <= 144) & (label == 0)] = number
    image = random.normal(50, 6, (side, side)) + 60 * (label > 0)
    return np.clip(image, 0, 255).astype(np.uint8), label


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pack.zip", "sim")


def write_pack(path: Path, data: str) -> Path:
    entries = []
    with zipfile.ZipFile(path, "w") as file:
        for number, role in enumerate(("train", "train", "train", "choose", "score")):
            image, label = frame_of(number)
            step, offset = (1, 0) if role == "score" else (rounding_step(image), int(image.min()))
            entry = Entry(data, f"{number:03d}", data, role, "gold", step, offset)
            known = np.ones(label.shape, bool)
            known[:5] = number != 1
            write_frame(file, entry, image, label, known)
            entries.append(entry)
        write_index(file, entries)
    return path


def test_a_pack_holds_what_was_written_to_half_a_step(pack: Path) -> None:
    entry = read_index(pack)[1]
    image, label = frame_of(1)
    frame = read_frame(pack, entry)
    assert np.abs(frame.image[0] - image).max() <= entry.step / 2
    np.testing.assert_array_equal(frame.label, label)
    assert not frame.known[:5].any()
    assert frame.known[5:].all()


def test_a_dry_run_leaves_weights_thresholds_and_a_table(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    arguments = [str(pack), str(output), "--seconds", "600", "--tiny", "--models", "fluo_sim", "--processes", "1"]
    monkeypatch.setattr("sys.argv", ["train_models", *arguments])
    monkeypatch.setattr(train_models, "LAST_CHOOSING", 595.0)  # so that training takes a second
    monkeypatch.setattr(train_models, "step_back", lambda: None)
    train_models.main()
    results = json.loads((output / "results.json").read_text())
    recipe = next(recipe for recipe in RECIPES if recipe.name == "fluo_sim")
    assert results["trained"]["fluo_sim"]["steps"] > 0
    assert results["chosen"]["fluo_sim"]["threshold"] in recipe.thresholds
    network = UNet(channels=results["trained"]["fluo_sim"]["channels"], norm="batch")
    state = load_weights(network, output / "fluo_sim.pt").state_dict()
    assert all(value.isfinite().all() for value in state.values())
    del results["chosen"]
    (output / "results.json").write_text(json.dumps(results))
    train_models.main()  # it trains nothing again, but chooses
    again = json.loads((output / "results.json").read_text())
    assert again["trained"] == results["trained"]
    assert "fluo_sim" in again["chosen"]
    views = ["plain", "noise 0.3 sd", stress.SYMMETRIES]
    monkeypatch.setattr("sys.argv", ["stress", str(pack), str(output), "--models", "fluo_sim", "--views", *views])
    stress.main()
    scored = json.loads((output / "stress.json").read_text())["fluo_sim"]
    assert {f"sim · {view}" for view in views} <= set(scored)
    assert all(0 <= row["score"] <= 1 for row in scored.values())
    monkeypatch.setattr("sys.argv", ["ship", str(output), str(tmp_path / "models")])
    ship.main()
    values = json.loads((tmp_path / "models" / "fluo_sim" / "inference.json").read_text())
    assert values["channels"] == list(train_models.TINY["channels"])
    assert torch.load(tmp_path / "models" / "fluo_sim" / "model.pt", weights_only=True)


def test_a_network_that_sees_half_the_size_is_trained_scored_and_shipped_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, output = write_pack(tmp_path / "pack.zip", "msc"), tmp_path / "out"
    arguments = [str(pack), str(output), "--seconds", "600", "--tiny", "--models", "fluo_msc", "--processes", "1"]
    monkeypatch.setattr("sys.argv", ["train_models", *arguments])
    monkeypatch.setattr(train_models, "LAST_CHOOSING", 599.0)
    monkeypatch.setattr(train_models, "step_back", lambda: None)
    train_models.main()
    results = json.loads((output / "results.json").read_text())
    load_weights(HalvedUNet(channels=results["trained"]["fluo_msc"]["channels"], norm="batch"), output / "fluo_msc.pt")
    monkeypatch.setattr("sys.argv", ["stress", str(pack), str(output), "--models", "fluo_msc", "--views", "plain"])
    stress.main()
    assert "msc · plain" in json.loads((output / "stress.json").read_text())["fluo_msc"]
    monkeypatch.setattr("sys.argv", ["ship", str(output), str(tmp_path / "models")])
    ship.main()
    values = json.loads((tmp_path / "models" / "fluo_msc" / "inference.json").read_text())
    assert values["network_class"] == "unetpipe.networks.HalvedUNet"


def test_unknown_are_cells_with_a_marker_but_without_truth() -> None:
    y, x = np.mgrid[:100, :100]
    annotated, left_out = ((y - row) ** 2 + (x - 50) ** 2 <= 100 for row in (25, 75))
    image = 100.0 * (annotated | left_out)
    markers = np.zeros((100, 100), np.int32)
    markers[25, 50], markers[75, 50] = 1, 2
    known = known_pixels(image, annotated.astype(np.int32), markers, area=100.0)
    assert known[:50].all()
    assert not known[left_out].any()
    assert known[:, :30].all()


def test_empty_places_hold_no_cell_and_do_not_overlap() -> None:
    ground = np.ones((200, 300), bool)
    ground[90:110, 140:160] = False
    places = empty_places(ground)
    count = np.zeros(ground.shape, int)
    for top, left, bottom, right in places:
        assert ground[top:bottom, left:right].all()
        count[top:bottom, left:right] += 1
    assert len(places) >= 2
    assert count.max() == 1


def test_every_fifth_image_is_scored_and_the_one_before_chooses() -> None:
    roles = [role_of(place, 11) for place in (4, 5, 6, 9, 10, 11)]
    assert roles == ["choose", "score", "train", "choose", "score", "train"]
    assert [role_of(place, 3) for place in (1, 2, 3)] == ["train", "choose", "score"]


def test_scored_frames_are_packed_as_they_are(tmp_path: Path) -> None:
    image, label = frame_of(7)
    wide = image.astype(np.uint16) * 200 + 3
    colour = np.stack([image, image // 2, 255 - image], -1)
    for number, grey in enumerate((image, wide, colour)):
        entry = Entry("dsb", f"{number}", "dsb", "score", "gold", 1, 0)
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as file:
            write_frame(file, entry, grey, label, np.ones(label.shape, bool))
        frame = read_frame(tmp_path / f"{number}.zip", entry)
        np.testing.assert_array_equal(frame.image, grey[None] if grey.ndim == 2 else grey.transpose(2, 0, 1))
