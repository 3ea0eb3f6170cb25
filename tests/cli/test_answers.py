"""Who asks for what is not there gets a sentence: the nearest verb or option, or the program that does it."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from make_trained_bundle import FOLDER

import unetpipe
from unetpipe.cli import answers
from unetpipe.cli.main import VERBS, main
from unetpipe.cli.options import as_command
from unetpipe.datasets import find_records, survey
from unetpipe.errors import InputError
from unetpipe.io import write_labels
from unetpipe.predictor import Predictor
from unetpipe.scope import PROMPTS, SEVERAL_CLASSES, THREE_DIMENSIONS

DATA = str(FOLDER / "data")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command line is answered that cannot be understood."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == answers.MISUSED
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("segmnt", "did you mean segment?"),
        ("Segment", "did you mean segment?"),
        ("predict", "did you mean segment?"),
        ("fine-tune", "did you mean train?"),
        ("track", "did you mean link?"),
        ("download", "did you mean fetch?"),
        ("xyzzy", f"there are {', '.join(VERBS)}"),
        ("classify", SEVERAL_CLASSES),
        ("3d", THREE_DIMENSIONS),
        (DATA, f"to segment it: unetpipe segment {DATA} --output MASKS"),
    ],
)
def test_verbs(verb: str, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer.rstrip(".") in said(capsys, verb, "images")


def test_the_command_that_segments_a_path_can_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("my cells", "-cells"):
        Path(name).mkdir()
    assert f"unetpipe segment {as_command(['my cells'])} --output MASKS" in said(capsys, "my cells")
    assert "unetpipe segment ./-cells --output MASKS" in answers.unknown_verb("-cells", VERBS)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["segment", "volume.nii.gz", "--3d", "--output", "out"], THREE_DIMENSIONS),
        (["segment", "--do_3D", "volume.nii.gz"], THREE_DIMENSIONS),  # although --output is missing, too
        (["train", DATA, "--num-classes", "3", "--output", "out"], SEVERAL_CLASSES),
        (["train", DATA, "--num_classes=3", "--output", "out"], SEVERAL_CLASSES),
        (["segment", DATA, "--prompt", "cells", "--output", "out"], PROMPTS),
        (["segment", DATA, "--gpu", "--output", "out"], "CUDA_VISIBLE_DEVICES"),
        (["train", DATA, "--diameter", "30", "--output", "out"], "unetpipe segment --diameter"),
        (["segment", DATA, "--treshold", "0.4", "--output", "out"], "did you mean --threshold?"),
        (["train", DATA, "--output", "out", "--epochs", "20"], "write --set max_epochs=VALUE"),
        (["train", DATA, "--output", "out", "--batch-size=4"], "write --set batch_size=VALUE"),
        (["train", DATA, "--output", "out", "--xyzzy"], "train has no option --xyzzy. See unetpipe train --help"),
        (["segment", DATA, "x" * 300, "--output", "out"], "put names with spaces into quotes"),
        (["segment", DATA, __file__, "--output", "out"], "for several files, give the folder that holds them"),
        (["demo", __file__], "put names with spaces into quotes"),
        (
            ["segment", "my", "images", "--output", "out"],
            "segment does not take 'images'; put names with spaces into quotes",
        ),
        (["segment", DATA], "required: --output. See unetpipe segment --help"),
    ],
)
def test_options(arguments: list[str], answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer.rstrip(".") in said(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["segment", "", "--output", "x"], "An argument"),
        (["evaluate", "a", ""], "An argument"),
        (["check", "a", "--output", ""], "An argument"),
        ([""], "An argument"),
        (["segment", "a", "--output="], "--output="),
        (["encode", "masks", "--output="], "--output="),
    ],
)
def test_an_empty_argument_is_not_the_folder_of_the_shell(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{what} is empty; perhaps a variable of the shell is not set." in said(capsys, *arguments)


@pytest.mark.parametrize("verb", VERBS)
def test_options_that_exist_are_not_answered(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    options = [word.strip("[],") for word in capsys.readouterr().out.split() if word.strip("[],").startswith("--")]
    assert len(options) > 1
    assert answers.wish([*options, *(option[:-1] for option in options)], options) is None
    assert answers.wish(["--", "--3d"], options) is None


@pytest.mark.parametrize(
    ("setting", "answer"),
    [
        ({"num_classes": 3}, SEVERAL_CLASSES),
        ({"out_channels": 3}, f"out_channels=3 is not possible. {SEVERAL_CLASSES}"),
        ({"spatial_dims": 3}, THREE_DIMENSIONS),
    ],
)
def test_settings_of_a_training(setting: dict[str, int], answer: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        unetpipe.train(DATA, tmp_path / "out", **setting)
    assert str(refused.value) == answer
    assert not (tmp_path / "out").exists()


def test_masks_that_hold_classes_are_named(tmp_path: Path) -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[2:8, 2:8] = labels[20:28, 2:8] = 1
    labels[2:8, 20:28] = labels[20:28, 20:28] = 2
    for name in "ab":
        write_labels(tmp_path / "masks" / f"{name}.tif", labels)
        write_labels(tmp_path / "images" / f"{name}.tif", labels + np.arange(40))
    assert any(SEVERAL_CLASSES in warning for warning in survey(find_records(tmp_path)).warnings())
    records = find_records(tmp_path, masks="instances")
    assert not any(SEVERAL_CLASSES in warning for warning in survey(records).warnings())


def test_a_volume_is_segmented_slice_by_slice_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 2), dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), tmp_path / "volume.nii")
    command = ["segment", str(tmp_path / "volume.nii"), "--output", str(tmp_path / "out"), "--bundle", str(FOLDER)]
    assert main(command) == 0
    assert THREE_DIMENSIONS in capsys.readouterr().out


def test_an_array_of_four_axes() -> None:
    predictor = Predictor.load(FOLDER)
    for axes in (None, "zyx"):
        with pytest.raises(InputError) as refused:
            predictor(np.zeros((2, 3, 40, 50) if axes is None else (3, 40, 50)), axes)
        assert THREE_DIMENSIONS in str(refused.value)
