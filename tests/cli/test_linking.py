"""``unetpipe link`` and ``segment --track``: complete submissions, and what is said of masks that cannot be linked."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ctc_metrics.scripts.validate import validate_sequence
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.io import read_labels, write_labels
from unetpipe.io.derived import CELLS, note_derived
from unetpipe.tracking import link


@pytest.fixture
def masks(synthetic: Path, tmp_path: Path) -> Path:
    """Masks of three frames whose ids mean nothing."""
    rng = np.random.default_rng(0)
    for frame in range(3):
        label = read_labels(synthetic / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif")
        write_labels(tmp_path / "RES" / f"mask{frame:03d}.tif", np.append(0, rng.permutation(label.max()) + 1)[label])
    return tmp_path / "RES"


def test_linked_masks_are_a_submission(masks: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (masks / "res_track.txt").write_text("of an older run")
    assert main(["link", str(masks), "--output", str(tmp_path / "linked")]) == 0
    assert main(["link", str(masks)]) == 0
    assert "Tracks: " in capsys.readouterr().out
    for folder in (masks, tmp_path / "linked"):
        assert validate_sequence(str(folder), threads=1) == {"Valid": 1}
    assert main(["evaluate", str(masks), str(synthetic / "01_GT"), "--output", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["TRA"] == 1


def test_options_reach_the_linker(masks: Path, capsys: pytest.CaptureFixture):
    assert main(["link", str(masks), "--min-iou", "0.99", "--max-gap", "0"]) == 0
    assert len((masks / "res_track.txt").read_text().splitlines()) > 6
    assert main(["link", str(masks), "--min-iou", "2"]) == 1
    assert "min_iou=2.0" in capsys.readouterr().err


def test_linkers_have_their_own_options(masks: Path, capsys: pytest.CaptureFixture):
    assert main(["link", str(masks), "--linker", "laptrack", "--min-iou", "0.2"]) == 1
    assert "--min-iou is not an option of the linker laptrack" in capsys.readouterr().err
    assert main(["link", str(masks), "--max-distance", "9"]) == 1
    assert "--max-distance is not an option of the linker overlap" in capsys.readouterr().err
    assert main(["link", str(masks), "--pixel-size", "0"]) == 1
    assert "--pixel-size 0.0 must be a finite number above 0" in capsys.readouterr().err


def test_cells_are_linked_by_laptrack(masks: Path, synthetic: Path, tmp_path: Path):
    pytest.importorskip("laptrack")
    arguments = ["--linker", "laptrack", "--max-distance", "20", "--max-gap", "1", "--pixel-size", "0.5"]
    assert main(["link", str(masks), *arguments]) == 0
    assert validate_sequence(str(masks), threads=1) == {"Valid": 1}
    assert main(["evaluate", str(masks), str(synthetic / "01_GT"), "--output", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["TRA"] == 1
    assert "displacement_um" in (masks / "tracks.csv").read_text().splitlines()[0]


def test_without_laptrack_it_says_what_to_install(
    masks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    monkeypatch.delitem(sys.modules, "unetpipe.tracking.centroids", raising=False)
    assert main(["link", str(masks), "--linker", "laptrack"]) == 1
    assert 'pip install "unetpipe[track]"' in capsys.readouterr().err


def test_segment_takes_a_linker(
    trained: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    output = tmp_path / "RES"
    arguments = ["segment", str(synthetic / "01"), "--output", str(output), "--bundle", str(trained)]
    assert main([*arguments, "--linker", "laptrack"]) == 1
    assert "--linker links cells over time, so it needs --track" in capsys.readouterr().err
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "laptrack", None)
        missing.delitem(sys.modules, "unetpipe.tracking.centroids", raising=False)
        assert main([*arguments, "--track", "--linker", "laptrack"]) == 1
    assert 'pip install "unetpipe[track]"' in capsys.readouterr().err
    assert not output.exists()
    pytest.importorskip("laptrack")
    assert main([*arguments, "--track", "--linker", "laptrack"]) == 0
    tracks = (output / "res_track.txt").read_text()
    assert main(["link", str(output), "--linker", "laptrack", "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "res_track.txt").read_text() == tracks


def test_interrupted_linking_leaves_the_earlier_result(masks: Path, monkeypatch: pytest.MonkeyPatch):
    assert main(["link", str(masks)]) == 0
    before = {path: path.read_bytes() for path in masks.iterdir()}
    written = []

    def interrupted(path: Path, labels: np.ndarray) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        write_labels(path, labels)

    with monkeypatch.context() as patch:
        patch.setattr(link, "write_labels", interrupted)
        assert main(["link", str(masks)]) == 130
    assert {path: path.read_bytes() for path in masks.iterdir()} == before


def test_interrupted_while_masks_are_replaced_linking_can_be_done_again(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = Path(shutil.copytree(masks, tmp_path / "whole"))
    assert main(["link", str(whole)]) == 0
    (masks / "res_track.txt").write_text("of earlier masks")
    with monkeypatch.context() as patch:
        interrupt_at(patch, masks / "mask001.tif")
        assert main(["link", str(masks)]) == 130
    assert not (masks / "res_track.txt").exists()  # it would not fit the masks that are replaced already
    assert main(["link", str(masks)]) == 0
    assert {path.name: path.read_bytes() for path in masks.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def test_more_tracks_than_a_mask_can_number_are_refused_before_a_mask_is_replaced(
    masks: Path, capsys: pytest.CaptureFixture
):
    """Each frame has 40,000 cells of one pixel, and no cell of the one overlaps one of the other."""
    for path in masks.iterdir():
        path.unlink()
    for frame in (0, 1):
        labels = np.zeros((400, 400), np.int32)
        labels[frame::2, frame::2] = np.arange(1, 40001).reshape(200, 200)
        write_labels(masks / f"mask{frame:03d}.tif", labels)
    before = {path: path.read_bytes() for path in masks.iterdir()}
    assert main(["link", str(masks)]) == 1
    assert "65535" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in masks.iterdir()} == before


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        write_labels(path, np.zeros((96, 128), int))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "There is no result folder"),
    "no masks": (lambda folder: [path.unlink() for path in folder.iterdir()], "holds no maskNNN.tif"),
    "missing": (lambda folder: (folder / "mask001.tif").unlink(), "lacks mask001.tif"),
    "from frame 1": (lambda folder: (folder / "mask000.tif").unlink(), "lacks mask000.tif"),
    "float": (lambda f: Image.fromarray(np.ones((96, 128), np.float32)).save(f / "mask001.tif"), "holds float32"),
    "large label": (
        lambda f: Image.fromarray(np.full((96, 128), 70000, np.int32)).save(f / "mask001.tif"),
        "label 70000",
    ),
    "size": (lambda folder: write_labels(folder / "mask001.tif", np.ones((9, 9), int)), "must be alike"),
    "no cell": (empty, "holds a cell"),
    "twice": (lambda folder: write_labels(folder / "mask0001.tif", np.ones((96, 128), int)), "both of frame 1"),
    "others": (lambda folder: (folder / "masks.tif").write_bytes(b""), "in addition to the masks"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_bad_masks_are_one_sentence_and_stay(mistake: str, masks: Path, capsys: pytest.CaptureFixture):
    make, said = BAD[mistake]
    make(masks)
    before = {path: path.read_bytes() for path in masks.glob("*")}
    assert main(["link", str(masks)]) == 1
    printed = capsys.readouterr().err.strip()
    assert printed.startswith("Error: ")
    assert "\n" not in printed
    assert said in printed
    assert before == {path: path.read_bytes() for path in masks.glob("*")}


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("RES", "is that of the masks; name another one, or none"),
        ("01", "01 holds images that unetpipe link did not write, such as t000.tif"),
        (".", "which is a data set: Cell Tracking Challenge"),
        ("01_GT", "The masks would lie among the truth in"),
        ("01_GT/TRA", "TRA holds images that unetpipe link did not write, such as man_track000.tif"),
    ],
)
def test_linked_masks_do_not_go_among_other_images(
    output: str, said: str, masks: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    shutil.copytree(synthetic, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["link", str(masks), "--output", str(tmp_path / output)]) == 1
    assert said in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_masks_are_linked_again_into_the_same_folder_with_pictures_of_them(masks: Path, tmp_path: Path):
    output = tmp_path / "linked"
    command = ["link", str(masks), "--output", str(output)]
    assert main(command) == 0
    picture = output / "mask000_neighbours.png"
    Image.new("L", (9, 9)).save(picture)
    assert main(command) == 1  # nobody knows whose picture that is
    note_derived(output, CELLS, [picture])
    assert main(command) == 0
    assert not picture.exists()


def interrupt_at(patch: pytest.MonkeyPatch, file: Path) -> None:
    """Let Ctrl-C come when this file is replaced."""
    replace = Path.replace

    def interrupted(path: Path, target: Path) -> Path:
        if target == file:
            raise KeyboardInterrupt
        return replace(path, target)

    patch.setattr(Path, "replace", interrupted)


def another_sequence(folder: Path) -> None:
    for frame in range(3):
        write_labels(folder / f"mask{frame:03d}.tif", np.pad(np.ones((9, 9), int), 20))


def a_submission(folder: Path) -> None:
    another_sequence(folder)
    assert main(["link", str(folder)]) == 0


def linked_from_elsewhere(folder: Path) -> None:
    another_sequence(folder.with_name("other"))
    assert main(["link", str(folder.with_name("other")), "--output", str(folder)]) == 0


def tracks_of_another_program(folder: Path) -> None:
    folder.mkdir()
    (folder / "tracks.csv").write_text("TRACK_ID,POSITION_X\n")


OTHERS = (another_sequence, a_submission, linked_from_elsewhere, tracks_of_another_program)


@pytest.mark.parametrize("make", OTHERS)
def test_results_of_another_sequence_are_not_replaced(
    make: Callable[[Path], None], masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    output = tmp_path / "02_RES"
    make(output)
    before = {path: path.read_bytes() for path in output.iterdir()}
    assert main(["link", str(masks), "--output", str(output)]) == 1
    assert f"{output} holds a result that was not linked from the masks in {masks}, such as " in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in output.iterdir()}


@pytest.mark.parametrize("damage", [b"", b"[]", b"5", b'{"masks": 5}', b"\xff", b"[" * 100_000])
def test_a_damaged_note_makes_a_result_nobodys(damage: bytes, masks: Path, tmp_path: Path):
    command = ["link", str(masks), "--output", str(tmp_path / "linked")]
    assert main(command) == 0
    (tmp_path / "linked" / ".linked.json").write_bytes(damage)
    assert main(command) == 1


def test_linked_again_after_the_folders_were_moved(masks: Path, tmp_path: Path):
    assert main(["link", str(masks), "--output", str(masks.with_name("linked"))]) == 0
    moved = tmp_path / "archive"
    moved.mkdir()
    for folder in (masks, masks.with_name("linked")):
        folder.rename(moved / folder.name)
    assert main(["link", str(moved / masks.name), "--output", str(moved / "linked")]) == 0
    assert main(["link", str(moved / masks.name), "--output", str(moved / "linked")]) == 0


def test_linked_again_after_the_masks_have_changed_or_the_first_run_was_interrupted(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    output = tmp_path / "linked"
    command = ["link", str(masks), "--output", str(output)]
    with monkeypatch.context() as patch:
        interrupt_at(patch, output / "mask001.tif")
        assert main(command) == 130
    assert (output / "mask000.tif").exists()
    assert main(command) == 0
    monkeypatch.chdir(tmp_path)  # the same folders, by other names
    another_sequence(masks)
    assert main(["link", masks.name, "--output", "linked"]) == 0
    np.testing.assert_array_equal(read_labels(output / "mask000.tif"), np.pad(np.ones((9, 9), int), 20))
    assert validate_sequence(str(output), threads=1) == {"Valid": 1}


@pytest.mark.parametrize("size", [None, (9, 9)])
def test_images_of_the_report_are_looked_at_before_masks_are_replaced(
    size: tuple[int, int] | None, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "images").mkdir()
    if size is not None:
        Image.new("L", size).save(tmp_path / "images" / "t000.tif")
    before = {path: path.read_bytes() for path in masks.glob("*")}
    arguments = ["link", str(masks), "--report", str(tmp_path / "out"), "--images", str(tmp_path / "images")]
    assert main(arguments) == 1
    assert ("holds no image t000.tif" if size is None else "t000.tif is 9×9 pixels") in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in masks.glob("*")}
    assert not (tmp_path / "out").exists()


def test_segment_with_tracks(trained: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    images = Path(shutil.copytree(synthetic / "01", tmp_path / "images"))
    arguments = ["segment", str(images), "--output", str(tmp_path / "RES"), "--bundle", str(trained), "--track"]
    assert main(arguments) == 0
    assert validate_sequence(str(tmp_path / "RES"), threads=1) == {"Valid": 1}
    rows = (tmp_path / "RES" / "tracks.csv").read_text().splitlines()[1:]
    assert len(rows) == len((tmp_path / "RES" / "res_track.txt").read_text().splitlines())
    capsys.readouterr()
    whole = (images / "t002.tif").read_bytes()
    Image.new("RGB", (128, 96)).save(images / "t002.tif")
    assert main(arguments) == 1  # a mistake that the bundle finds before the first mask: the old result stays
    assert "t002.tif" in capsys.readouterr().err
    assert validate_sequence(str(tmp_path / "RES"), threads=1) == {"Valid": 1}
    (images / "t002.tif").write_bytes(whole)
    begun = (tmp_path / "RES" / "res_track.txt").read_text()
    (tmp_path / "RES" / "res_track.txt").write_text("of an older run")
    assert main(arguments) == 0
    assert (tmp_path / "RES" / "res_track.txt").read_text() == begun
    capsys.readouterr()
    (images / "t001.tif").unlink()
    assert main(arguments) == 1
    assert "lacks t001.tif" in capsys.readouterr().err
    images.joinpath("t000.tif").rename(images / "first.tif")
    assert main(arguments) == 1
    assert "first.tif is not one" in capsys.readouterr().err
    assert (tmp_path / "RES" / "res_track.txt").is_file()
