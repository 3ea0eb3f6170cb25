"""``python -m monai.bundle`` as a user types it, from another directory; and what it says of bad data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import itk
import numpy as np
import pytest
from monai.bundle import ConfigParser
from PIL import Image

from unetpipe.bundle.command_line import check_keys
from unetpipe.bundle.settings import check_setting, is_plain
from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError

BUNDLE = find_bundle()


def monai_bundle(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "monai.bundle", "run", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def test_trained_bundle_runs_from_another_directory(trained: Path, synthetic: Path, tmp_path: Path):
    moved = tmp_path / "elsewhere" / "bundle"
    shutil.copytree(trained, moved)
    done = monai_bundle(
        "--config_file", moved / "configs" / "inference.json", "--dataset_dir", synthetic / "01", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    mask = tmp_path / "output" / "masks" / "mask001.tif"
    pillow, by_itk = np.array(Image.open(mask)), itk.array_from_image(itk.imread(str(mask)))
    assert pillow.shape == by_itk.shape == np.array(Image.open(synthetic / "01" / "t001.tif")).shape
    assert pillow.dtype == by_itk.dtype == np.uint16
    assert np.array_equal(pillow, by_itk)


def test_evaluating_prints_seg_and_the_number_of_cells(trained: Path, tmp_path: Path):
    configs = [str(trained / "configs" / name) for name in ("train.json", "evaluate.json")]
    done = monai_bundle("evaluating", "--config_file", configs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEG ")]
    assert line.endswith("cells in 2 frames")


@pytest.mark.parametrize("verb", ["run", "training"])
def test_a_missing_data_folder_is_one_sentence(verb: str, tmp_path: Path):
    config = BUNDLE / "configs" / "train.json"
    done = monai_bundle(verb, "--config_file", config, "--dataset_dir", tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.strip().splitlines()[-1] == f"Error: There is no data folder {tmp_path / 'nowhere'}."
    assert not (tmp_path / "output").exists()


def test_a_misspelt_key_is_named_with_the_nearest():
    config = str(BUNDLE / "configs" / "train.json")
    start = ["site-packages/monai/bundle/__main__.py", "run", "--config_file", config]
    keys = ["--max_epochs", "3", "--train#trainer#max_epochs=4", "--train#trainer#amp", "True"]
    check_keys([*start, *keys], [config])
    with pytest.raises(InputError, match=r"'max_epoch'; did you mean max_epochs\?"):
        check_keys([*start, "--max_epoch", "3"], [config])
    with pytest.raises(InputError, match="trian#trainer"):
        check_keys([*start, "--trian#trainer#max_epochs", "3"], [config])
    check_keys(["monailabel", "--conf", "models", "--max_epoch", "3"])


def test_text_in_the_place_of_a_part_is_refused():
    config = str(BUNDLE / "configs" / "train.json")
    start = ["site-packages/monai/bundle/__main__.py", "run", "--config_file", config]
    for arguments in (["--loss", "5"], ["--loss=None"], ["--optimizer"], ["--network_def", "[1]"]):
        with pytest.raises(InputError, match="must be a part"):
            check_keys([*start, *arguments], [config])
    for text in ("{'_target_':'Loss'}", ' {"_target_": "Loss"}', "@other"):
        check_keys([*start, "--loss", text], [config])
    for arguments in (["--loss#reduction", "sum"], ["--report", "None"], ["--report=null"]):
        check_keys([*start, *arguments], [config])
    with pytest.raises(InputError, match=r"^train='5' must be keys with their values, .*: train#KEY\.$"):
        check_keys([*start, "--train", "5"], [config])


def documented_settings() -> list[str]:
    """Return the keys of ``train.json`` that the bundle's page offers: the first column of its table."""
    page = (BUNDLE / "docs" / "README.md").read_text(encoding="utf-8")
    table = page.partition("| key of `train.json` |")[2].partition("\n\n")[0]
    return [key for row in table.splitlines()[2:] for key in re.findall("`([^`]+)`", row.split("|")[1])]


@pytest.mark.parametrize("key", [*documented_settings(), "device", "show_bars", "bundle_root"])
def test_what_is_documented_as_a_setting_can_be_set(key: str):
    path = str(BUNDLE / "configs" / "train.json")
    config = ConfigParser.load_config_files([path])
    default = config.get(key, [])  # lists of transforms lie deeper
    value = default if is_plain(default) else 20
    check_setting(key, value, config)
    text = value if isinstance(value, str) else json.dumps(value)
    check_keys(["site-packages/monai/bundle/__main__.py", "run", f"--{key}", text], [path])


def test_the_page_offers_settings():
    assert {"min_size", "tile", "train#cell_transforms"} <= set(documented_settings())


def test_a_misspelt_key_stops_the_program(synthetic: Path, tmp_path: Path):
    config = BUNDLE / "configs" / "train.json"
    done = monai_bundle("--config_file", config, "--dataset_dir", synthetic, "--chanels", "[4,8]", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("did you mean channels?")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("norm", "instance", "seam"), ("channels", "[4,0]", "positive"), ("dropout", "2", "below 1")],
)
def test_network_arguments_that_do_not_fit_are_one_sentence(
    key: str, value: str, said: str, synthetic: Path, tmp_path: Path
):
    config = BUNDLE / "configs" / "train.json"
    done = monai_bundle("--config_file", config, "--dataset_dir", synthetic, f"--{key}", value, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert said in done.stderr.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())
