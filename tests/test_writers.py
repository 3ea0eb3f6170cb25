"""What is interrupted is old or new; two writers of one result do not meet."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from make_trained_bundle import FOLDER
from PIL import Image

from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.files import new_folder, only_writer, replacing, write_text, writing
from unetpipe.io.images import write_labels

IMAGE = FOLDER / "data" / "images" / "01_t000.png"
SHORT = ["tile=66", "steps_per_epoch=2", "val_interval=1", "num_workers=0", "report=null"]
DIES_WRITING = """
import os, sys
from unetpipe.files import new_folder, replacing, write_text
with replacing(sys.argv[1] + "/file.txt") as file, new_folder(sys.argv[1] + "/folder") as folder:
    file.write_text("half")
    write_text(folder / "half.txt", "half")
    os.kill(os.getpid(), 9)
"""


def program(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "unetpipe", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def train(output: Path, *settings: str, epochs: int) -> list[object]:
    return [
        "train",
        FOLDER / "data",
        "--output",
        output,
        "--set",
        "channels=[4,8]",
        f"max_epochs={epochs}",
        *SHORT,
        *settings,
    ]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.01)


@pytest.mark.posix
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES_WRITING, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2
    subprocess.run([sys.executable, "-c", DIES_WRITING, str(tmp_path)])
    assert len(os.listdir(tmp_path)) == 2
    mine = f".x-{time.time_ns()}-abc"
    (tmp_path / mine).write_text("a file of somebody else's")
    write_text(tmp_path / "file.txt", "whole")
    assert sorted(os.listdir(tmp_path)) == [mine, "file.txt"]


def test_temporary_files_of_living_processes_stay(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as temporary:
        subprocess.run([sys.executable, "-c", DIES_WRITING, str(tmp_path)])
        assert temporary.exists()
    assert (tmp_path / "a.txt").exists()


def test_of_two_writers_of_a_folder_the_second_gets_a_sentence(tmp_path: Path) -> None:
    def write_both() -> None:
        with new_folder(tmp_path / "out") as slow:
            (slow / "slow.txt").write_text("slow")
            with new_folder(tmp_path / "out") as fast:
                (fast / "fast.txt").write_text("fast")

    with pytest.raises(InputError, match="is not empty"):
        write_both()
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["fast.txt"]


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = f"""
import time
from unetpipe.files import only_writer
with only_writer({str(tmp_path / "lock")!r}, "out"):
    print("held", flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="Another process is writing out"), only_writer(tmp_path / "lock", "out"):
        pass
    process.kill()
    process.wait()
    with only_writer(tmp_path / "lock", "out"):
        pass


def test_a_second_training_destroys_nothing(tmp_path: Path) -> None:
    output = tmp_path / "model"
    first = program(*train(output, epochs=10_000))
    try:
        wait_for(output / "checkpoints" / "last.pt", first)
        second = program(*train(output, epochs=1))
        assert "Error: Another process is writing" in second.communicate()[0]
        assert second.returncode == 1
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()
    assert main([*map(str, train(output, epochs=10_001)), "--resume", "--set", "max_epochs=1"]) == 1  # it has had more
    for path in (output / "x", output / "checkpoints" / "x"):  # the next file in a folder clears what was left there
        with pytest.raises(AssertionError), replacing(path):
            raise AssertionError
    assert not list(output.rglob(".*"))


@pytest.mark.parametrize(
    ("arguments", "missing", "said"),
    [
        ([], None, "holds a training already"),
        ([], "checkpoints", "holds a training already"),
        (["--resume"], None, "belongs to a training of another network"),
        (["--resume"], "checkpoints", "its training cannot be continued"),
    ],
)
def test_a_training_is_not_replaced(
    arguments: list[str], missing: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = shutil.copytree(FOLDER, tmp_path / "bundle")
    if missing is not None:
        shutil.rmtree(bundle / missing)
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    assert main([*map(str, train(bundle, epochs=1)), *arguments]) == 1
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


def test_a_training_is_resumed_with_its_own_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, output = shutil.copytree(FOLDER / "data", tmp_path / "data"), tmp_path / "model"

    def trained(epochs: int) -> list[str]:
        return [str(data) if part == FOLDER / "data" else str(part) for part in train(output, epochs=epochs)]

    assert main(trained(1)) == 0
    data = data.rename(tmp_path / "moved")
    assert main([*trained(2), "--resume"]) == 0
    for mask in (data / "masks").glob("*.png"):
        labels = np.asarray(Image.open(mask)).copy()
        labels[labels == labels.max()] = 0
        Image.fromarray(labels).save(mask)
    before = (output / "models" / "model.pt").read_bytes()
    capsys.readouterr()
    assert main([*trained(3), "--resume"]) == 1
    assert "had other images, masks or training frames" in capsys.readouterr().err
    assert (output / "models" / "model.pt").read_bytes() == before


def test_a_second_large_segmentation_destroys_nothing(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    from large_images import small_bundle, write_ome_zarr

    array = np.random.default_rng(0).integers(0, 65535, (1500, 1500), dtype=np.uint16)
    image = write_ome_zarr(tmp_path / "a.zarr", array, "yx", "0.5")
    command = ["segment", image, "--output", tmp_path / "out", "--bundle", small_bundle(tmp_path / "bundle")]
    first = program(*command)
    wait_for(tmp_path / "out" / ".a.work" / "plan.json", first)
    second = program(*command)
    said = second.communicate()[0]
    if first.poll() is None:  # it was still writing
        assert "Error: Another process is writing" in said
        assert second.returncode == 1
    assert first.wait() == 0


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05])
def test_an_export_that_is_killed_is_whole_or_absent(seconds: float, tmp_path: Path) -> None:
    code = """
import sys, torch
from unetpipe.bundle.writing import export_bundle
print(flush=True)
export_bundle(*sys.argv[1:])
"""
    command = [sys.executable, "-c", code, str(FOLDER), str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    process.wait()
    if (tmp_path / "out").exists():
        assert main(["segment", str(IMAGE), "--output", str(tmp_path / "m"), "--bundle", str(tmp_path / "out")]) == 0
    else:
        assert main(["export", str(FOLDER), "--output", str(tmp_path / "out")]) == 0
    assert not list(tmp_path.glob(".out*"))


def test_masks_do_not_go_among_their_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = shutil.copytree(IMAGE.parent, tmp_path / "images")
    assert main(["segment", str(images), "--output", str(images), "--bundle", str(FOLDER)]) == 1
    assert "holds images that unetpipe segment did not write" in capsys.readouterr().err
    assert sorted(os.listdir(images)) == sorted(os.listdir(IMAGE.parent))


def tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("verb", ["segment", "measure", "link", "evaluate", "train", "demo"])
def test_a_second_writer_of_an_output_folder_gets_a_sentence(verb: str, tmp_path: Path) -> None:
    masks, output = tmp_path / "masks", tmp_path / "out"
    for folder in (masks, output):
        write_labels(folder / "mask000.tif", np.eye(80, dtype=np.int32))
    if verb in ("segment", "link"):  # masks of others would be refused before
        (output / "mask000.tif").rename(output / "notes")
    (output / ".unetpipe-demo").touch()
    inputs: dict[str, list[object]] = {
        "segment": [IMAGE, "--bundle", FOLDER],
        "measure": [masks],
        "link": [masks],
        "evaluate": [masks / "mask000.tif", masks / "mask000.tif"],
        "train": [FOLDER / "data", "--set", "channels=[4,8]", "tile=66", "max_epochs=1"],
        "demo": [],
    }
    command = [verb, *inputs[verb], "--output", output]
    before = tree(output)
    with writing(output):  # by another process, so far as this one can tell
        second = program(*command)
        said = second.communicate()[0]
    assert f"Error: Another process is writing {output}" in said
    assert said.count("Error") == 1
    assert second.returncode == 1
    assert tree(output) == before
    assert not list(tmp_path.rglob(".lock"))


def test_a_refused_run_leaves_no_folder_and_no_lock(tmp_path: Path) -> None:
    write_labels(tmp_path / "small.tif", np.eye(20, dtype=np.int32))
    write_labels(tmp_path / "large.tif", np.eye(30, dtype=np.int32))
    output = ["--output", str(tmp_path / "new" / "out")]
    assert main(["evaluate", str(tmp_path / "small.tif"), str(tmp_path / "large.tif"), *output]) == 1
    assert main(["train", str(FOLDER / "data"), *output, "--set", "tile=67"]) == 1
    assert main(["train", str(tmp_path), *output]) == 1
    assert sorted(os.listdir(tmp_path)) == ["large.tif", "small.tif"]


def test_the_holder_of_a_lock_may_ask_again_and_another_thread_may_not(tmp_path: Path) -> None:
    refused: list[str] = []

    def ask() -> None:
        try:
            with writing(tmp_path / "out"):
                pass
        except InputError as error:
            refused.append(str(error))

    with writing(tmp_path / "out"), writing(tmp_path / "x" / ".." / "out"):
        other = threading.Thread(target=ask)
        other.start()
        other.join()
    assert len(refused) == 1
    ask()
    assert len(refused) == 1
    assert not (tmp_path / "out").exists()


def test_pictures_do_not_go_among_their_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(tmp_path / "a.tif", np.eye(20, dtype=np.int32))
    assert main(["measure", str(tmp_path), "--output", str(tmp_path)]) == 1
    assert main(["measure", str(tmp_path / "a.tif"), "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("The pictures would lie among the masks") == 2
    assert os.listdir(tmp_path) == ["a.tif"]


def test_a_demo_does_not_write_into_a_folder_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(tmp_path / "data" / "01" / "t000.tif", "precious")
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert "holds files that are not of a demo" in capsys.readouterr().err
    assert (tmp_path / "data" / "01" / "t000.tif").read_text() == "precious"


def test_a_large_image_that_cannot_be_read_leaves_no_work(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    from large_images import small_bundle, write_ome_zarr

    image = write_ome_zarr(
        tmp_path / "a.zarr", np.zeros((90, 90), np.uint16) + np.arange(90, dtype=np.uint16), "yx", "0.5"
    )
    for chunk in (path for path in (image / "0" / "c").rglob("*") if path.is_file()):
        chunk.write_bytes(chunk.read_bytes()[:9])
    bundle = small_bundle(tmp_path / "bundle")
    assert main(["segment", str(image), "--output", str(tmp_path / "out"), "--bundle", str(bundle)]) == 1
    assert not (tmp_path / "out").exists()


def test_a_demo_does_not_follow_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unetpipe.cli.demo._run", lambda options: None)
    write_text(tmp_path / "mine" / "a.txt", "precious")
    write_text(tmp_path / "demo" / ".unetpipe-demo", "")
    (tmp_path / "demo" / "data").symlink_to(tmp_path / "mine")
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 0
    assert not (tmp_path / "demo" / "data").exists()
    assert (tmp_path / "mine" / "a.txt").read_text() == "precious"
