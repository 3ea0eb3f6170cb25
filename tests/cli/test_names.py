"""Names of files and folders are data: no name is evaluated, whatever it looks like."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from make_trained_bundle import FOLDER
from monai.bundle import ConfigParser

from unetpipe.bundle.command_line import command_line_values
from unetpipe.bundle.models import add_model, export_model
from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.io.images import read_labels, write_labels
from unetpipe.training.train import train

CODE = "$[__import__('os').mkdir('RAN')].x"  # runs in the working directory if anything evaluates it
NAMES = [CODE, "@threshold", "%bundle.json::x", "a#b::c", "q\"u'o`te", "new\nline", "--output", "[1,2]", "?x[0-9]*"]
IMAGE = FOLDER / "data" / "images" / "01_t000.png"


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_real_program_does_not_run_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "in" / CODE
    folder.mkdir(parents=True)
    shutil.copyfile(IMAGE, folder / f"{CODE}.png")
    arguments = ["segment", str(folder), f"--output={CODE}", "--bundle", str(FOLDER)]
    done = subprocess.run([sys.executable, "-m", "unetpipe", *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [mask.name for mask in (tmp_path / CODE).glob("*.tif")] == [f"{CODE}_mask.tif"]
    assert not (tmp_path / "RAN").exists()


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_an_image_a_folder_and_a_bundle(name: str) -> None:
    Path("in", name).mkdir(parents=True)
    shutil.copyfile(IMAGE, Path("in", name, f"{name}.png"))
    shutil.copytree(FOLDER, Path("bundles", name))
    for safe in ([], ["--safe"]):
        output = Path("out", *safe, name)
        assert main(["segment", f"in/{name}", f"--output={output}", f"--bundle=bundles/{name}", *safe]) == 0
        assert Path(output, f"{name}_mask.tif").is_file()
    assert main(["export", f"bundles/{name}", f"--output=exported/{name}"]) == 0
    assert main(["segment", f"in/{name}", f"--output=again/{name}", f"--bundle=exported/{name}"]) == 0
    assert not Path("RAN").exists()


def test_training_reads_names_as_text() -> None:
    data = Path(CODE)
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
        for number, image in enumerate(sorted((FOLDER / "data" / kind).glob("*.png"))):
            shutil.copyfile(image, data / kind / f"{'$@%#'[number % 4]}{number}{CODE}.png")
    small = {"channels": [4, 8], "tile": 66, "max_epochs": 1, "steps_per_epoch": 2, "val_interval": 1, "num_workers": 0}
    train(data, f"out/{CODE}", report=None, **small)
    for safe in ([], ["--safe"]):
        assert main(["segment", str(IMAGE), "--output", "masks", f"--bundle=out/{CODE}", *safe]) == 0
    assert not Path("RAN").exists()


@pytest.mark.parametrize("name", ["../up", "a'b", "$x", "", ".hidden", "a/b"])
def test_a_model_has_a_plain_name(name: str) -> None:
    bundle = shutil.copytree(FOLDER, "bundle")
    with pytest.raises(InputError, match="cannot be called"):
        add_model(bundle, bundle, name)


def test_a_named_model_of_a_bundle_with_any_name_is_exported() -> None:
    bundle = shutil.copytree(FOLDER, CODE)
    add_model(bundle, bundle, "previous")
    export_model(bundle, "exported", "previous")
    assert Path("exported", "models", "model.pt").is_file()
    assert not Path("RAN").exists()


@pytest.mark.parametrize("name", NAMES)
def test_masks_truth_and_tables_may_have_any_name(name: str) -> None:
    for folder in ("masks", "truth"):
        Path(folder, name).mkdir(parents=True)
        shutil.copyfile(FOLDER / "data" / "masks" / "01_t000.png", Path(folder, name, f"{name}.png"))
    assert main(["measure", f"masks/{name}", f"--output=tables/{name}", "--export=coco", "--export=imagej"]) == 0
    assert Path("tables", name, "cells.csv").is_file()
    pair = [f"{folder}/{name}/{name}.png" for folder in ("masks", "truth")]
    assert main(["evaluate", *pair, f"--output=scores/{name}"]) == 0
    assert Path("scores", name, "report.html").is_file()
    write_labels(Path("sequences", name, "mask000.tif"), read_labels(pair[0]))
    assert main(["link", f"sequences/{name}", f"--output=linked/{name}"]) == 0
    assert main(["encode", f"masks/{name}", f"--output=encoded/{name}.csv"]) == 0
    Path("set", name).mkdir(parents=True)
    for kind in ("images", "masks"):
        shutil.copytree(FOLDER / "data" / kind, Path("set", name, kind))
    assert main(["check", f"set/{name}", f"--output=sheets/{name}.png"]) == 0
    assert not Path("RAN").exists()


@pytest.mark.parametrize("key", ["dataset_dir", "output_dir", "bundle_root", "weights"])
@pytest.mark.parametrize("name", [CODE, "@threshold", "%bundle.json::x", "a#b::c"])
def test_a_path_for_monai_bundle_is_a_path_or_is_refused(key: str, name: str) -> None:
    arguments = ["monai", "run", f"--{key}", name]
    if name.startswith("a"):
        assert ConfigParser(command_line_values(arguments)).get_parsed_content(key) == name
        return
    with pytest.raises(InputError, match=f"--{key} .* begins with"):
        command_line_values(arguments)
    inside = command_line_values(["monai", "run", f"--{key}=./{name}"])
    assert ConfigParser(inside).get_parsed_content(key) == f"./{name}"


def test_monai_bundle_does_not_run_a_name(tmp_path: Path) -> None:
    Path(CODE).mkdir()
    shutil.copyfile(IMAGE, Path(CODE, f"{CODE}.png"))
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(FOLDER / "configs" / "inference.json")]
    refused = subprocess.run([*command, "--dataset_dir", CODE], capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.strip().splitlines()[-1].startswith("Error: --dataset_dir")
    assert "Traceback" not in refused.stderr
    done = subprocess.run([*command, "--dataset_dir", f"./{CODE}", "--output_dir", f"./{CODE}.out"])
    assert done.returncode == 0
    assert Path(f"{CODE}.out", f"{CODE}_mask.tif").is_file()
    assert not Path("RAN").exists()
