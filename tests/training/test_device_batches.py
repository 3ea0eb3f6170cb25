"""Batches on the device, here a CPU: their frames, draws, pasted cells, and what falls back to the host."""

from __future__ import annotations

import logging
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import DataLoader
from workflows import SHORT, SMALL, run, workflow

from unetpipe.errors import InputError, input_error_behind
from unetpipe.training import DeviceBatches, FrameDataset, device_batches, training_loader
from unetpipe.transforms import RandMirrorCropd

ON = {"device_batches": True, "batch_size": 2, "num_workers": 0}


def loader(synthetic: Path, *overlays: str, **values: Any) -> Any:
    made = workflow(["train.json", *overlays], dataset_dir=str(synthetic), **{**SMALL, **SHORT, **ON, **values})
    return made.parser.get_parsed_content("train#dataloader")


def epoch(batches: DeviceBatches, number: int, last: int = 9) -> list[dict[str, torch.Tensor]]:
    batches.set_epoch(number, last)
    torch.manual_seed(number)
    batches.dataset.transform.set_random_state(number)
    return list(batches)


def test_batches_have_what_the_network_and_the_loss_take(synthetic: Path) -> None:
    batches = loader(synthetic)
    assert isinstance(batches, DeviceBatches)
    (first, *_) = made = epoch(batches, 1)
    assert len(made) == len(batches) == SHORT["steps_per_epoch"]
    assert {key: (tuple(value.shape), value.dtype) for key, value in first.items()} == {
        "image": ((2, 1, 66, 66), torch.float32),
        "label": ((2, 1, 50, 50), torch.uint8),
        "weight": ((2, 1, 50, 50), torch.float32),
    }


def test_cells_are_found_before_the_first_step(synthetic: Path) -> None:
    """A step that finds them on a GPU would wait for it."""
    batches = loader(synthetic)
    (crop,) = [transform for transform in batches.transforms if isinstance(transform, RandMirrorCropd)]
    assert {id(frame["weight"]) for frame in batches.frames} == crop._found.keys()


def test_frames_are_compact_and_the_hosts_copy_is_freed(synthetic: Path) -> None:
    batches = loader(synthetic)
    assert [value.dtype for value in batches.frames[0].values()] == [torch.float16, torch.uint8, torch.float16]
    assert batches.dataset._cache == [None] * len(batches.dataset)


def test_a_frame_of_large_values_stays_float32(synthetic: Path) -> None:
    values = {
        "train#frame_transforms": [
            "@load_image",
            "@load_truth",
            {"_target_": "Lambdad", "keys": "image", "func": "$lambda image: image * 1e6"},
        ]
    }
    batches = loader(synthetic, **values)
    assert batches.frames[0]["image"].dtype == torch.float32


def test_an_epoch_depends_only_on_its_seed(synthetic: Path) -> None:
    one, other = epoch(loader(synthetic), 2), epoch(loader(synthetic), 2)
    assert all(torch.equal(a[key], b[key]) for a, b in zip(one, other, strict=True) for key in a)


def test_batches_made_ahead_are_the_same(synthetic: Path) -> None:
    ahead, in_turn = loader(synthetic), loader(synthetic)
    ahead.ahead = True
    one, other = epoch(ahead, 3), epoch(in_turn, 3)
    assert len(one) == len(other) > 1
    assert all(torch.equal(a[key], b[key]) for a, b in zip(one, other, strict=True) for key in a)


def test_an_error_in_a_batch_made_ahead_is_raised(synthetic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = loader(synthetic)
    batches.ahead = True
    monkeypatch.setattr(device_batches, "apply_to_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        epoch(batches, 1)


def test_pasted_cells_depend_only_on_seed_and_epoch(synthetic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if a run begins at that epoch, as a resumed one does, and not all frames are made again each time."""
    monkeypatch.setattr(device_batches, "MADE_AGAIN", 2)
    paste = {
        "train#cell_transforms": [
            {"_target_": "unetpipe.transforms.RandPasteCellsd", "prob": 1.0, "halo": 3, "gap": [0, 2]}
        ]
    }
    straight, resumed = (loader(synthetic, **paste) for _ in range(2))
    seen = []
    for number in (1, 2, 3):
        last = epoch(straight, number)
        seen.append([frame["label"].clone() for frame in straight.frames])
    for a, b in zip(last, epoch(resumed, 3), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
    changed = [[not torch.equal(a, b) for a, b in zip(*pair, strict=True)] for pair in pairwise(seen)]
    assert all(sum(frames) <= 2 for frames in changed), changed  # two of four are made again for each epoch
    assert sum(map(sum, changed)) > 0
    other = loader(synthetic, seed=1, **paste)
    assert not torch.equal(epoch(other, 3)[0]["image"], last[0]["image"])


def test_after_the_last_epoch_nothing_is_made(synthetic: Path) -> None:
    paste = {
        "train#cell_transforms": [
            {"_target_": "unetpipe.transforms.RandPasteCellsd", "prob": 1.0, "halo": 3, "gap": [0, 2]}
        ]
    }
    batches = loader(synthetic, **paste)
    epoch(batches, 1, last=1)
    assert batches._coming is None


def test_a_mistake_in_the_background_is_raised(synthetic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paste = {
        "train#cell_transforms": [
            {"_target_": "unetpipe.transforms.RandPasteCellsd", "prob": 1.0, "halo": 3, "gap": [0, 2]}
        ]
    }
    batches = loader(synthetic, **paste)
    epoch(batches, 1)
    batches._coming[1].join()

    def fail(*_: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr(batches.dataset, "frame", fail)
    epoch(batches, 2)
    with pytest.raises(OSError, match="gone"):
        epoch(batches, 3)


def test_without_a_gpu_they_are_made_by_processes_unless_asked_for(synthetic: Path) -> None:
    assert isinstance(loader(synthetic, device_batches=None), DataLoader)
    assert isinstance(loader(synthetic, device_batches=False), DataLoader)


def test_frames_that_do_not_fit_stay_on_the_host(
    synthetic: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(device_batches, "free_memory", lambda device: 1000)
    with pytest.raises(RuntimeError) as raised:
        loader(synthetic)
    assert "frames take" in str(input_error_behind(raised.value))
    plain = loader(synthetic, device_batches=False)
    chosen = list(plain.dataset.transform.transforms)[-8:]
    given = training_loader(plain.dataset, chosen, device="cpu", device_batches=None)
    assert isinstance(given, DataLoader)
    monkeypatch.setattr(device_batches.torch, "device", lambda name: type("Device", (), {"type": "cuda"})())
    given = training_loader(plain.dataset, chosen, device="cuda", device_batches=None)
    assert isinstance(given, DataLoader)
    assert "GB are free" in caplog.text


def test_a_chain_that_ends_otherwise_is_refused(synthetic: Path) -> None:
    plain = loader(synthetic, device_batches=False)
    with pytest.raises(InputError, match="does not end with"):
        training_loader(plain.dataset, [lambda item: item], device_batches=True)
    with pytest.raises(InputError, match="not a FrameDataset"):
        training_loader([1, 2], [], device_batches=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("overlays", [[], ["phc_u373.json"]], ids=["plain", "pasted"])
def test_a_resumed_training_ends_with_the_same_weights(overlays: list[str], synthetic: Path, tmp_path: Path) -> None:
    def train(output: Path, epochs: int, **more: Any) -> dict[str, torch.Tensor]:
        values = {**SMALL, **SHORT, **ON, "dropout": 0.2, "lr_scheduler": CONSTANT, "max_epochs": epochs, **more}
        made = run(["train.json", *overlays], dataset_dir=str(synthetic), output_dir=str(output), **values)
        return made.parser.get_parsed_content("network").state_dict()

    whole = train(tmp_path / "whole", 3)
    train(tmp_path / "cut", 2)
    again = train(tmp_path / "cut", 3, resume=True)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


CONSTANT = {"_target_": "torch.optim.lr_scheduler.ConstantLR", "optimizer": "@optimizer", "factor": 1.0}


def test_prepared_frames_are_kept_on_disk(synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(shutil.copytree(synthetic, tmp_path / "data"))
    first = loader(data, cache_dir=str(tmp_path / "kept"))
    files = set((tmp_path / "kept").iterdir())
    assert len(files) == len(first.dataset)
    with monkeypatch.context() as patch:
        patch.setattr(device_batches.FrameDataset.__mro__[1], "_load_cache_item", None)  # nothing may be prepared
        again = loader(data, cache_dir=str(tmp_path / "kept"))
    for one, other in zip(first.frames, again.frames, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert set((tmp_path / "kept").iterdir()) == files
    loader(data, cache_dir=str(tmp_path / "kept"), w0=3.0)
    assert len(set((tmp_path / "kept").iterdir())) == 2 * len(files)
    image = next(data.rglob("t000.tif"))
    image.touch()
    loader(data, cache_dir=str(tmp_path / "kept"))
    assert len(set((tmp_path / "kept").iterdir())) == 2 * len(files) + 1


def test_a_damaged_file_on_disk_is_made_again(synthetic: Path, tmp_path: Path) -> None:
    first = loader(synthetic, cache_dir=str(tmp_path))
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    again = loader(synthetic, cache_dir=str(tmp_path))
    assert all(
        torch.equal(one[key], other[key]) for one, other in zip(first.frames, again.frames, strict=True) for key in one
    )
    assert isinstance(again.dataset, FrameDataset)


def test_a_compiled_network_is_trained(synthetic: Path, tmp_path: Path) -> None:
    """A backend that compiles nothing computes exactly the same."""
    weights = []
    for number, keys in enumerate(({}, {"compile": True, "train#trainer#compile_kwargs": {"backend": "eager"}})):
        values = {**SMALL, **SHORT, **ON, "max_epochs": 1, **keys}
        made = run(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path / str(number)), **values)
        trained = made.parser.get_parsed_content("train#trainer").network
        assert (getattr(trained, "_orig_mod", None) is not None) is bool(keys)
        weights.append(made.parser.get_parsed_content("network").state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
