"""``unetpipe check``: what it says, what it draws, and that the command it proposes is right."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from make_trained_bundle import FOLDER
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.io import write_label_pages
from unetpipe.networks import UNet
from unetpipe.training import Machine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unetpipe.training.proposal.seconds_a_step", lambda *_: 0.5)


def proposed(output: str) -> dict[str, str]:
    (line,) = [line for line in output.splitlines() if line.startswith("  unetpipe train ")]
    _, _, data, option, output_dir, set_, *settings = shlex.split(line)
    assert (option, set_) == ("--output", "--set")
    return {"data": data, "output": output_dir, **dict(setting.split("=") for setting in settings)}


def test_a_good_set(synthetic: Path, capsys: pytest.CaptureFixture):
    assert main(["check", str(synthetic), "--output", "sheet.png"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for part in (
        "Cell Tracking Challenge",
        "6 with truth, in 2 sequence(s): 01, 02",
        "96×128 pixels",
        "uint8",
        "touch",
        "Training:",
        "Validation: 2 frames with",
    ):
        assert part in captured.out
    arguments = proposed(captured.out)
    assert arguments["data"] == str(synthetic)
    assert "normalization" not in arguments
    channels = [int(width) for width in arguments["channels"].strip("[]").split(",")]
    UNet(channels=[1] * len(channels)).check_size(int(arguments["tile"]), int(arguments["tile"]))
    with Image.open("sheet.png") as sheet:
        pixels = np.array(sheet)
    assert ((pixels == (255, 200, 0)).all(-1)).sum() > 500  # outlines


def test_a_folder_whose_name_begins_as_an_option_is_proposed_as_a_path(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(synthetic, tmp_path / "-cells")
    assert main(["check", "./-cells", "--output", "sheet.png"]) == 0
    assert proposed(capsys.readouterr().out)["data"] == "./-cells"


def test_on_a_gpu_batch_size_and_learning_rate_are_proposed(
    synthetic: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unetpipe.training.proposal.this_machine", lambda: Machine(80, 16, 128))
    assert main(["check", str(synthetic), "--output", "sheet.png"]) == 0
    arguments = proposed(capsys.readouterr().out)
    assert (arguments["batch_size"], arguments["learning_rate"]) == ("8", "0.0028")


HIDING = {"shading", "field_of_view_prob", "ground_prob"}


def test_dim_cells_among_bright_ones_want_compressed_grey_values(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, mask = np.full((40, 40), 20, np.uint8), np.zeros((40, 40), np.uint8)
    pixels[2:6, 2:6], pixels[20:24, 20:24] = 250, 22
    mask[2:6, 2:6], mask[20:24, 20:24] = 1, 2
    for folder, array in (("images", pixels), ("masks", mask)):
        (tmp_path / "dim" / folder).mkdir(parents=True)
        for name in "abcdef":
            Image.fromarray(array).save(tmp_path / "dim" / folder / f"{name}.png")
    for machine in (Machine(0, 2, 24), Machine(80, 16, 128)):
        monkeypatch.setattr("unetpipe.training.proposal.this_machine", lambda machine=machine: machine)
        assert main(["check", "dim"]) == 0
        output = capsys.readouterr().out
        assert "6 of 12 cells are dim: they differ from the background by less than half a standard deviation" in output
        arguments = proposed(output)
        assert arguments["normalization"] == "unetpipe.transforms.NormalizeBrightd"
        # in a short training on a CPU, what hides dim cells is off
        off = {key for key in HIDING if arguments.get(key) == "0"}
        assert off == (set() if machine.gpu_memory else HIDING)
        assert ("hide dim cells in a short training" in output) == (not machine.gpu_memory)


def test_colours_and_classes(tmp_path: Path, capsys: pytest.CaptureFixture):
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / "rgb" / folder).mkdir(parents=True)
    mask = np.zeros((40, 60), np.uint8)
    mask[2:8, 2:8] = mask[20:26, 30:36] = 1
    mask[10:16, 2:8] = mask[30:36, 50:56] = 2
    for name in "abc":
        Image.fromarray(rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)).save(tmp_path / f"rgb/images/{name}.png")
        Image.fromarray(mask).save(tmp_path / f"rgb/masks/{name}.png")
    assert main(["check", "rgb"]) == 0
    output = capsys.readouterr().out
    assert "classes: the connected components" in output
    assert "12: 4.0 a frame (4 to 4)" in output
    arguments = proposed(output)
    assert arguments["in_channels"] == "3"
    assert len(arguments["channels"].split(",")) == 4  # small cells need fewer poolings
    assert Path("check.png").is_file()
    assert main(["check", "rgb", "--masks", "instances"]) == 0
    assert proposed(capsys.readouterr().out)["masks"] == "instances"


def test_every_problem_has_a_line(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = Path(shutil.copytree(synthetic, tmp_path / "set"))
    (copy / "01" / "t000.tif").write_bytes(b"II*\0")
    (copy / "01" / "t001.tif").unlink()
    Image.fromarray(np.zeros((96, 128), np.uint8)).save(copy / "02" / "t000.tif")
    Image.fromarray(np.full((96, 128), np.nan, np.float32)).save(copy / "02" / "t001.tif")
    assert main(["check", str(copy)]) == 1
    captured = capsys.readouterr()
    wrong = [line for line in captured.out.splitlines() if line.startswith("Wrong:")]
    for part in ("01/t000.tif cannot be read", "t001.tif is missing", "02/t000.tif is constant", "02/t001.tif holds"):
        assert sum(part in line for line in wrong) == 1
    assert captured.err == f"Error: 4 things are wrong with {copy}; the lines that begin with Wrong say what.\n"
    assert "\nAfter you have corrected this, train with (" in captured.out


def test_a_mixture_of_channels_is_a_problem(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = Path(shutil.copytree(synthetic, tmp_path / "set"))
    grey = np.array(Image.open(copy / "01" / "t000.tif"))
    Image.fromarray(np.stack([grey, grey // 2, grey], -1)).save(copy / "01" / "t000.tif")
    assert main(["check", str(copy)]) == 1
    assert "01/t000.tif has 3 channel(s), most others have 1" in capsys.readouterr().out


def test_grey_images_among_colours_are_no_problem(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = Path(shutil.copytree(synthetic, tmp_path / "set"))
    frames = sorted(copy.glob("0[12]/t*.tif"))
    for path in frames[1:]:
        grey = np.array(Image.open(path))
        Image.fromarray(np.stack([grey, grey // 2, grey], -1)).save(path)
    assert main(["check", str(copy)]) == 0
    output = capsys.readouterr().out
    assert f"3 ({len(frames) - 1}), 1 (1)" in output
    assert proposed(output)["in_channels"] == "3"


def test_three_equal_channels_are_grey(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = Path(shutil.copytree(synthetic, tmp_path / "set"))
    for number, path in enumerate(copy.glob("0[12]/t*.tif")):
        if number % 3:
            Image.fromarray(np.stack([np.array(Image.open(path))] * 3, -1)).save(path)
    assert main(["check", str(copy)]) == 0
    output = capsys.readouterr().out
    assert "frame(s) three channels are equal, so they are grey and one channel is taken" in output
    assert "in_channels" not in proposed(output)


def test_no_cell(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_label_pages(tmp_path / "s" / "train-volume.tif", list(np.random.default_rng(0).integers(0, 99, (5, 20, 30))))
    write_label_pages(tmp_path / "s" / "train-labels.tif", [np.zeros((20, 30), int)] * 5)
    assert main(["check", "s"]) == 1
    assert "Wrong:     There is no cell" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_no_data_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture, name: str):
    (tmp_path / "empty").mkdir()
    assert main(["check", name]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("Error: ")
    assert not Path("check.png").exists()


def test_the_contact_sheet_replaces_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = shutil.copytree(FOLDER / "data", tmp_path / "data")
    image = data / "images" / "01_t000.png"
    before = image.read_bytes()
    assert main(["check", str(data), "--output", str(image)]) == 1
    assert "would replace" in capsys.readouterr().err
    assert image.read_bytes() == before
