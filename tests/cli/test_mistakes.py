"""Each mistake ends ``unetpipe segment`` and ``python -m monai.bundle`` in one sentence, with nothing written."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from workflows import workflow

from unetpipe.bundle import workflow as workflow_module
from unetpipe.cli import encode
from unetpipe.cli.main import main
from unetpipe.networks import unet
from unetpipe.training import train


def picture(folder: Path, pixels: np.ndarray, name: str = "a.tif") -> None:
    Image.fromarray(pixels).save(folder / name)


def truncated(folder: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    if name.endswith(".nii.gz"):
        nibabel.save(nibabel.Nifti1Image(noise[..., None], np.eye(4)), folder / name)
    else:
        picture(folder, noise, name)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


def other_width(bundle: Path) -> None:
    config = bundle / "configs" / "inference.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "channels": [3, 6]}))


def pickled(bundle: Path) -> None:
    torch.save({"model": print}, bundle / "models" / "model.pt")


NOISE = np.arange(2000, dtype=np.uint8).reshape(40, 50)
BAD_IMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing folder": (lambda folder: folder.rmdir(), "no image file or folder"),
    "empty folder": (lambda folder: None, "no image"),
    "truncated TIFF": (lambda folder: truncated(folder, "a.tif"), "a.tif"),
    "truncated PNG": (lambda folder: truncated(folder, "a.png"), "a.png"),
    "truncated NIfTI": (lambda folder: truncated(folder, "a.nii.gz"), "a.nii.gz"),
    "text as PNG": (lambda folder: (folder / "a.png").write_text("no picture"), "a.png"),
    "RGB": (lambda folder: picture(folder, np.dstack([NOISE, 255 - NOISE, NOISE])), "3 channel"),
    "constant": (lambda folder: picture(folder, np.full((40, 50), 7, np.uint8)), "constant"),
    "NaN": (lambda folder: picture(folder, np.full((40, 50), np.nan, np.float32)), "NaN"),
}
BAD_BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda bundle: (bundle / "models" / "model.pt").unlink(), "no weights"),
    "another width": (other_width, "another size"),
    "a pickle": (pickled, "loaded safely"),
}


@pytest.fixture
def places(trained: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A folder for images, a bundle, and an output folder that does not exist yet."""
    (tmp_path / "images").mkdir()
    return tmp_path / "images", Path(shutil.copytree(trained, tmp_path / "bundle")), tmp_path / "output"


def check_both_ways(
    places: tuple[Path, Path, Path], said: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, bundle, output = places
    assert main(["segment", str(images), "--output", str(output), "--bundle", str(bundle)]) == 1
    printed = capsys.readouterr()
    last = printed.err.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert said in last
    assert "Traceback" not in printed.out + printed.err

    config = str(bundle / "configs" / "inference.json")
    monkeypatch.setattr("sys.argv", ["site-packages/monai/bundle/__main__.py", "run", "--config_file", config])
    monkeypatch.setattr("sys.excepthook", None)  # put back after the test: the config sets its own
    made = workflow(["inference.json"], bundle, dataset_dir=str(images), output_dir=str(output))
    made.initialize()
    with pytest.raises(Exception) as caught:  # noqa: PT011
        made.run()
    sys.excepthook(caught.type, caught.value, caught.tb)
    assert capsys.readouterr().err.strip().splitlines()[-1] == last
    assert not output.exists()


@pytest.mark.parametrize("mistake", BAD_IMAGES)
def test_bad_images(mistake: str, places, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    make, said = BAD_IMAGES[mistake]
    make(places[0])
    check_both_ways(places, said, capsys, monkeypatch)


@pytest.mark.parametrize("mistake", BAD_BUNDLES)
def test_bad_bundles(mistake: str, places, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    make, said = BAD_BUNDLES[mistake]
    picture(places[0], NOISE)
    make(places[1])
    check_both_ways(places, said, capsys, monkeypatch)


def test_output_below_a_file(places, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    images, bundle, output = places
    picture(images, NOISE)
    (output.parent / "file").write_text("")
    check_both_ways((images, bundle, output.parent / "file" / "output"), "is a file", capsys, monkeypatch)


def test_ctrl_c_is_one_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def stopped(options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(encode, "run", stopped)
    assert main(["encode", "masks", "--output", "submission.csv"]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.parametrize("how", [[], ["--large"]])
def test_ctrl_c_while_segmenting_names_resume(
    how: list[str], places, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    """Nothing else is said: Ignite would log the interruption as an error without a text."""
    images, bundle, output = places
    picture(images, NOISE)

    def stopped(self: object, *given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(unet.UNet, "forward", stopped)
    assert main(["segment", str(images), "--bundle", str(bundle), "--output", str(output), *how]) == 130
    said = capfd.readouterr()
    assert said.out.splitlines()[-1] == "The same command with --resume continues where this one stopped."
    assert said.err.splitlines()[-1] == "Stopped."
    assert "exception" not in said.err + said.out


def test_ctrl_c_in_a_demo_names_no_resume(
    places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    """It segments as ``unetpipe segment`` does, but has no such option."""

    def stopped(self: object, *given: object, **named: object) -> None:
        raise KeyboardInterrupt

    begin = workflow_module.open_workflow

    def evaluated(configs: Sequence[str], kind: str, values: Mapping[str, object]) -> object:
        return begin(configs, kind, values) if kind == "infer" else SimpleNamespace(run=list, finalize=list)

    monkeypatch.setattr(train, "train", lambda data, model, **settings: shutil.copytree(places[1], model))
    monkeypatch.setattr(workflow_module, "open_workflow", evaluated)
    monkeypatch.setattr(unet.UNet, "forward", stopped)
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 130
    said = capfd.readouterr()
    assert "$ unetpipe segment " in said.out
    assert "--resume" not in said.out + said.err


def test_ctrl_c_while_training_names_resume_and_what_there_is(
    trained: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stopped(self: train.Training) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train.Training, "run", stopped)
    assert main(["train", str(synthetic), "--output", str(tmp_path / "new"), "--set", "num_workers=0"]) == 130
    assert capsys.readouterr().out.endswith(
        "\nThe same command with --resume continues after the last complete epoch.\n"
    )
    shutil.copytree(trained, tmp_path / "begun")
    again = ["train", str(synthetic), "--output", str(tmp_path / "begun"), "--resume", "--set", "num_workers=0"]
    assert main([*again, "channels=[4,8]", "tile=66"]) == 130
    assert capsys.readouterr().out.endswith(f"epoch. {tmp_path / 'begun'} holds a model already.\n")


def test_the_command_after_a_training_can_be_copied(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(train.Training, "run", lambda self: None)
    assert main(["train", str(synthetic), "--output", str(tmp_path / "my cells"), "--set", "num_workers=0"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert shlex.split(last)[1:5] == ["unetpipe", "segment", "IMAGES", "--bundle"]
    assert shlex.split(last)[5] == str(tmp_path / "my cells")
