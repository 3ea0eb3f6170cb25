"""Options of ``unetpipe segment``: ``--threshold`` and ``--export outlines``, in memory and part by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from large_images import small_bundle

from unetpipe.cli.main import main
from unetpipe.predictor import Predictor

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Segment one image with a network whose threshold is 0.5."""
    bundle = small_bundle(
        tmp_path / "bundle", channels=(4, 8), min_size=1, marker_threshold=None, threshold=0.5, pixel_size=None
    )
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    return ["segment", str(tmp_path / "a.tif"), "--output", str(tmp_path / "out"), "--bundle", str(bundle)]


@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_threshold(threshold: float, command: list[str], tmp_path: Path) -> None:
    expected = Predictor.load(tmp_path / "bundle", threshold=threshold)(IMAGE)
    assert not np.array_equal(expected, Predictor.load(tmp_path / "bundle")(IMAGE))
    assert main([*command, "--threshold", str(threshold)]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a_mask.tif"), expected)
    assert main([*command, "--threshold", str(threshold), "--large"]) == 0
    (labels,) = (tmp_path / "out").glob("*.zarr/labels/*/0")
    np.testing.assert_array_equal(zarr.open_array(labels)[:] > 0, expected > 0)


@pytest.mark.parametrize("threshold", ["60", "-0.1", "nan"])
@pytest.mark.parametrize("how", [[], ["--large"], ["--dry-run"]])
def test_no_probability(threshold: str, how: list[str], command: list[str], tmp_path: Path, capsys) -> None:
    assert main([*command, *how, f"--threshold={threshold}"]) == 1
    assert f"threshold={float(threshold)!r} is not a probability" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_plan_refuses_what_segmenting_would(command: list[str], capsys) -> None:
    for mistake, said in ((["--rotations=5"], "rotations=5"), (["--rescale", "--pixel-size=1"], "Rescaling needs")):
        assert main([*command, *mistake, "--dry-run"]) == 1
        assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_refused_option_leaves_what_is_complete(command: list[str], capsys) -> None:
    assert main(command) == 0
    for mistake in ("--threshold=60", "--rotations=5"):
        assert main([*command, mistake]) == 1
    capsys.readouterr()
    assert main([*command, "--resume"]) == 0
    assert "Complete already: 1 of 1 images" in capsys.readouterr().out


def test_pictures_of_outlines_are_not_taken_for_masks(command: list[str], tmp_path: Path, capsys) -> None:
    """They are drawn beside the masks, and scoring finds the masks only; an image in parts has none."""
    assert main([*command, "--export", "outlines"]) == 0
    assert (tmp_path / "out" / "outlines" / "a_outlines.png").is_file()
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "masks").mkdir()
    tifffile.imwrite(tmp_path / "data" / "images" / "a.tif", IMAGE)
    tifffile.imwrite(tmp_path / "data" / "masks" / "a.tif", (IMAGE > 128).astype(np.uint8))
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "out"), str(tmp_path / "data")]) == 0
    assert "Left out" not in capsys.readouterr().out
    assert main(["measure", str(tmp_path / "out"), "--output", str(tmp_path / "tables")]) == 0
    capsys.readouterr()
    assert main([*command, "--export", "outlines", "--large"]) == 1
    assert "--export outlines needs images that fit into memory" in capsys.readouterr().err
