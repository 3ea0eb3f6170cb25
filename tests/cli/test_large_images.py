"""``unetpipe segment`` and ``measure`` of several images that are read part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from large_images import small_bundle, write_ome_zarr

from unetpipe.cli.main import main
from unetpipe.large import OmeZarrImage, segmenting

PIXELS = np.random.default_rng(0).integers(0, 255, (2, 150, 130), np.uint16)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"), channels=(4, 8))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images that fit."""
    (tmp_path / "images").mkdir()
    for name in "ab":
        write_ome_zarr(tmp_path / "images" / f"{name}.ome.zarr", PIXELS[0], "yx", "0.5")
    return tmp_path / "images"


def two_channels(images: Path, output: Path) -> None:
    write_ome_zarr(images / "c.ome.zarr", PIXELS, "cyx", "0.5")


def complex_numbers(images: Path, output: Path) -> None:
    write_ome_zarr(images / "c.ome.zarr", PIXELS[0].astype(np.complex64), "yx", "0.5")


def occupied(images: Path, output: Path) -> None:
    (output / "b.ome.zarr").mkdir(parents=True)


def work_of_another_image(images: Path, output: Path) -> None:
    (output / ".b.work").mkdir(parents=True)
    (output / ".b.work" / "plan.json").write_text('{"identity": "of another image", "side": 64}')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (two_channels, "c.ome.zarr has 2 channel(s)"),
        (complex_numbers, "c.ome.zarr holds complex64"),
        (occupied, "b.ome.zarr exists already and is not a result of unetpipe"),
        (work_of_another_image, ".b.work holds the beginning of another segmentation"),
    ],
)
def test_what_is_wrong_with_a_later_image_is_said_before_the_first_is_begun(
    change: Callable[[Path, Path], None], said: str, images: Path, bundle: Path, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "out"
    change(images, output)
    before = sorted(output.rglob("*"))
    assert main(["segment", str(images), "--output", str(output), "--bundle", str(bundle), "--resume"]) == 1
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Image:" not in shown.out
    assert sorted(output.rglob("*")) == before


def test_the_disk_must_hold_the_results_of_all_images(
    images: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    one = 4 * PIXELS[0].size / segmenting.COMPRESSION  # bytes: the image has one level
    monkeypatch.setattr(segmenting, "free_space", lambda folder: int(1.5 * one))
    command = ["segment", str(images), "--output", str(tmp_path / "out"), "--bundle", str(bundle)]
    assert main(command) == 1
    assert "The results of 2 images take up to" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

    monkeypatch.setattr(segmenting, "free_space", lambda folder: int(2.5 * one))
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.ome.zarr", "b.ome.zarr"]

    monkeypatch.setattr(
        segmenting, "free_space", lambda folder: int(1.5 * one)
    )  # beside the results, which are replaced
    assert main(command) == 0


def test_work_of_an_earlier_run_gives_its_space_to_the_next(
    images: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    one = 4 * PIXELS[0].size / segmenting.COMPRESSION
    monkeypatch.setattr(segmenting, "free_space", lambda folder: int(0.5 * one))
    work, output = tmp_path / "out" / ".a.work", ["--output", str(tmp_path / "out")]
    command = ["segment", str(images / "a.ome.zarr"), *output, "--bundle", str(bundle)]
    assert main(command) == 1
    assert "a.ome.zarr takes up to" in capsys.readouterr().err
    work.mkdir(parents=True)
    (work / "old").write_bytes(bytes(int(0.6 * one)))
    assert main(command) == 0
    assert main(command) == 1  # the earlier result stays until the new one is whole
    capsys.readouterr()
    (tmp_path / "out" / "a.ome.zarr").rename(work.with_name("gone"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segmenting, "free_space", lambda folder: int(1.5 * one))
    with monkeypatch.context() as patch:
        patch.setattr(segmenting, "publish", interrupted)
        assert main(command) == 130
    monkeypatch.setattr(segmenting, "free_space", lambda folder: 0)  # all is computed
    assert main([*command, "--resume"]) == 0


def test_blocks_are_planned_by_the_memory_that_is_free_when_an_image_is_begun(
    images: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    asked = []
    monkeypatch.setattr(segmenting, "default_memory", lambda: asked.append(1) or (2**32 + len(asked) * 2**30))
    assert main(["segment", str(images), "--output", str(tmp_path / "out"), "--bundle", str(bundle)]) == 0
    granted = [line.partition("of ")[2] for line in capsys.readouterr().out.splitlines() if "granted" in line]
    assert granted == ["7.0 GiB granted", "8.0 GiB granted"]  # the third and fourth time; the checks asked twice


def test_label_images_are_looked_at_before_the_first_is_measured(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    write_ome_zarr(images / "c.ome.zarr", np.ones((150, 130), np.float32), "yx", "0.5")
    read: list[Path] = []
    monkeypatch.setattr(OmeZarrImage, "_read", lambda image, index: read.append(image.path))
    assert main(["measure", str(images), "--output", str(tmp_path / "out")]) == 1
    assert "c.ome.zarr holds float32 in 1 channel(s); a label image holds whole numbers" in capsys.readouterr().err
    assert read == []


def test_results_do_not_go_among_the_images(images: Path, bundle: Path, capsys) -> None:
    before = sorted(images.rglob("*"))
    assert main(["segment", str(images), "--output", str(images), "--bundle", str(bundle)]) == 1
    assert "The results would lie among the images in" in capsys.readouterr().err
    assert sorted(images.rglob("*")) == before


def test_the_result_of_another_image_of_the_same_name_is_not_replaced(
    images: Path, bundle: Path, tmp_path: Path, capsys
) -> None:
    other = write_ome_zarr(tmp_path / "other" / "a.ome.zarr", PIXELS[1], "yx", "0.5")
    command = ["--output", str(tmp_path / "out"), "--bundle", str(bundle)]
    assert main(["segment", str(images), *command]) == 0
    for more in ([], ["--resume"]):
        assert main(["segment", str(other), *command, *more]) == 1
        said = f"{tmp_path / 'out' / 'a.ome.zarr'} is the result of {images / 'a.ome.zarr'}, not of {other}; name"
        assert said in capsys.readouterr().err
    images.rename(tmp_path / "moved")
    assert main(["segment", str(tmp_path / "moved"), *command]) == 0


def test_results_do_not_go_among_images_of_others(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    before = sorted(images.rglob("*"))
    for suffix in ("c.ome.zarr", "d.zarr"):
        write_ome_zarr(tmp_path / suffix, PIXELS[0], "yx", "0.4")
    command = ["segment", "--bundle", str(bundle)]
    assert main([*command, str(tmp_path / "c.ome.zarr"), "--output", str(images)]) == 1
    assert "The results would lie among the Zarr images in" in capsys.readouterr().err
    assert sorted(images.rglob("*")) == before
    assert main([*command, str(tmp_path / "d.zarr"), "--output", str(tmp_path)]) == 0  # one image, the result beside it
    for name in "ab":  # results may go among results
        assert main([*command, str(images / f"{name}.ome.zarr"), "--output", str(tmp_path / "out")]) == 0
