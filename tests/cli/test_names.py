"""Names of files and folders are data: no name is evaluated, whatever it looks like."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from make_trained_bundle import FOLDER

from unetpipe.bundle.models import add_model, export_model
from unetpipe.cli.main import main
from unetpipe.errors import InputError
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
