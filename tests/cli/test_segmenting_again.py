"""``unetpipe segment --resume`` leaves alone what is complete; ``--dry-run`` writes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from large_images import small_bundle, write_ome_zarr
from PIL import Image

from unetpipe.bundle.workflow import open_workflow
from unetpipe.cli.main import main
from unetpipe.io import write_labels


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"), channels=(4, 8), roi_size=None)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images."""
    (tmp_path / "images").mkdir()
    for name in "abc":
        write(tmp_path / "images" / f"{name}.png", seed=ord(name))
    return tmp_path / "images"


def write(path: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50), dtype=np.uint8)).save(path)


def states(output: Path) -> dict[str, int]:
    return {mask.name[0]: mask.stat().st_mtime_ns for mask in output.glob("*_mask.tif")}


def test_what_is_not_complete_is_done_again(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    command = ["segment", str(images), "--output", str(output), "--bundle", str(bundle)]
    assert main(command) == 0
    first = states(output)
    assert sorted(first) == ["a", "b", "c"]
    assert main([*command, "--resume"]) == 0
    assert states(output) == first

    (output / "a_mask.tif").write_bytes(b"II")  # a mask that is damaged, and an image that was changed
    write(images / "b.png", seed=0)
    capsys.readouterr()
    assert main([*command, "--resume"]) == 0
    assert "Complete already: 1 of 3 images" in capsys.readouterr().out
    second = states(output)
    assert (second["a"] != first["a"], second["b"] != first["b"], second["c"] == first["c"]) == (True, True, True)

    assert main([*command, "--resume", "--pixel-size", "0.7"]) == 0  # other settings
    assert states(output)["c"] != second["c"]


def test_masks_do_not_go_among_images_of_others(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    """Such as the truth of a data set; a folder with masks of an earlier run is ours."""
    truth = tmp_path / "masks"
    truth.mkdir()
    write(truth / "a.png", seed=1)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "notes.txt").write_text("")
    for output, status in ((truth, 1), (tmp_path / "others", 0), (tmp_path / "others", 0)):
        assert main(["segment", str(images), "--output", str(output), "--bundle", str(bundle)]) == status
    assert f"{truth} holds images that unetpipe segment did not write, such as a.png" in capsys.readouterr().err
    assert [path.name for path in truth.iterdir()] == ["a.png"]


def test_masks_of_other_images_of_the_same_names_are_not_replaced(
    images: Path, bundle: Path, tmp_path: Path, capsys
) -> None:
    output, other = tmp_path / "out", tmp_path / "other"
    command = ["--output", str(output), "--bundle", str(bundle)]
    assert main(["segment", str(images), *command]) == 0
    first = states(output)
    other.mkdir()
    write(other / "d.png", seed=4)
    write(other / "b.png", seed=5)
    for more in ([], ["--resume"]):
        assert main(["segment", str(other), *command, *more]) == 1
        said = f"{output / 'b_mask.tif'} is the mask of {images / 'b.png'}, not of {other / 'b.png'}; name another"
        assert said in capsys.readouterr().err
    assert states(output) == first
    images.rename(tmp_path / "moved")  # the images are the same, or nobody can tell
    assert main(["segment", str(tmp_path / "moved"), *command]) == 0
    assert main(["segment", str(other), *command]) == 1
    (output / "b_mask.tif").unlink()
    assert main(["segment", str(other), *command]) == 0


def test_masks_do_not_go_into_the_folder_of_a_data_set(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    """A Cell Tracking Challenge set gets the results of its sequences beside them."""
    data = tmp_path / "data"
    (data / "01").mkdir(parents=True)
    write(data / "01" / "t000.png", seed=1)
    with Image.open(data / "01" / "t000.png") as image:
        image.save(data / "01" / "t000.tif")
    (data / "01" / "t000.png").unlink()
    for path in (images, data / "01"):
        assert main(["segment", str(path), "--output", str(data), "--bundle", str(bundle)]) == 1
        assert f"The masks would lie among the data in {data}, which is a data set" in capsys.readouterr().err
    assert [path.name for path in data.iterdir()] == ["01"]
    for _ in range(2):
        assert main(["segment", str(data), "--output", str(data), "--bundle", str(bundle)]) == 0
        assert [path.name for path in (data / "01_RES").iterdir()] == ["mask000.tif"]


def test_tracks_of_another_program_are_not_replaced(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    for number, name in enumerate("abc"):
        with Image.open(images / f"{name}.png") as image:
            image.save(images / f"t00{number}.tif")
        (images / f"{name}.png").unlink()
    output = tmp_path / "out"
    output.mkdir()
    (output / "tracks.csv").write_text("TRACK_ID,POSITION_X\n")
    command = ["segment", str(images), "--output", str(output), "--bundle", str(bundle), "--threshold", "0.1"]
    assert main([*command, "--track"]) == 1
    assert f"{output / 'tracks.csv'} was not written by unetpipe segment; name another" in capsys.readouterr().err
    assert [path.name for path in output.iterdir()] == ["tracks.csv"]
    (output / "tracks.csv").unlink()
    for _ in range(2):
        assert main([*command, "--track"]) == 0


def test_masks_of_the_bundles_own_inference_are_replaced(images: Path, bundle: Path, tmp_path: Path) -> None:
    places = {"bundle_root": bundle, "dataset_dir": images, "output_dir": tmp_path / "out"}
    values = {key: str(path) for key, path in places.items()}
    workflow = open_workflow([str(bundle / "configs" / "inference.json")], "infer", values)
    workflow.run()
    first = states(tmp_path / "out")
    assert sorted(first) == ["a", "b", "c"]
    command = ["segment", str(images), "--output", str(tmp_path / "out"), "--bundle", str(bundle)]
    assert main([*command, "--resume"]) == 0  # by which settings they were made was not noted, so they are made again
    assert all(time > first[name] for name, time in states(tmp_path / "out").items())


def test_tracks_of_earlier_masks_do_not_stay(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    for number, name in enumerate("abc"):
        (images / f"{name}.png").rename(images / f"t00{number}.png")
    output = tmp_path / "out"
    output.mkdir()
    (output / "res_track.txt").write_text("of somebody else")
    command = ["segment", str(images), "--output", str(output), "--bundle", str(bundle)]
    assert main(command) == 0
    assert (output / "res_track.txt").exists()
    write(images / "t000.png", seed=0)
    (output / "tracks.csv").write_text("of the masks before")
    assert main(command) == 0
    assert f"earlier masks in {output}: res_track.txt, tracks.csv\n" in capsys.readouterr().out
    assert not list(output.glob("*track*"))


def test_what_is_left_out_of_a_folder_is_said(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    (images / "photo.jpg").write_bytes(b"")
    assert main(["segment", str(images), "--output", str(tmp_path / "out"), "--bundle", str(bundle)]) == 0
    assert "Left out: 1 other file(s): photo.jpg" in capsys.readouterr().out


def test_dry_run_writes_nothing(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    write_ome_zarr(tmp_path / "d.zarr", np.arange(2000, dtype=np.uint16).reshape(40, 50), "yx", "0.5")
    for path, said in (
        (images, "Images: 3, the largest of 40 × 50 pixels\nTiles: 3 of"),
        (tmp_path / "d.zarr", "Disk:"),
    ):
        arguments = ["segment", str(path), "--output", str(tmp_path / "out"), "--bundle", str(bundle), "--dry-run"]
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert said in printed
        assert "Memory: about" in printed
        assert "s a tile" in printed
        assert not (tmp_path / "out").exists()


def test_tables_of_earlier_masks_do_not_stay(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    command = ["segment", str(images), "--output", str(output), "--bundle", str(bundle)]
    assert main([*command, "--tables", "--export", "imagej", "--export", "coco"]) == 0
    masks = {f"{name}_mask.tif" for name in "abc"}
    written = {path.name for path in output.iterdir() if not path.name.startswith(".")} - masks
    assert "cells.csv" in written
    assert len(written) > 2
    (output / "mine.txt").write_text("not of the program")
    assert main([*command, "--resume"]) == 0  # no mask is new
    assert written <= {path.name for path in output.iterdir()}
    write(images / "b.png", seed=0)
    capsys.readouterr()
    assert main([*command, "--resume", "--tables"]) == 0
    assert "Removed, because they belong to earlier masks" in capsys.readouterr().out
    assert {path.name for path in output.iterdir() if not path.name.startswith(".")} == masks | {
        "cells.csv",
        "mine.txt",
    }
    assert main(command) == 0
    assert not (output / "cells.csv").exists()
    assert (output / "mine.txt").exists()


def test_masks_of_images_that_were_removed_are_said_and_stay(
    images: Path, bundle: Path, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "out"
    command = ["segment", str(images), "--output", str(output), "--bundle", str(bundle)]
    assert main([*command, "--tables", "--export", "outlines"]) == 0
    assert main([*command, "--resume"]) == 0
    assert "Kept:" not in capsys.readouterr().out
    (images / "c.png").unlink()
    for more in ([], ["--resume"]):
        assert main([*command, *more]) == 0
        said = "Kept: 1 mask of an earlier run, of none of these images: c_mask.tif. Move it away before you measure"
        assert said in capsys.readouterr().out
    (images / "b.png").unlink()
    assert main(command) == 0
    assert "Kept: 2 masks of an earlier run, of none of these images: b_mask.tif, c_mask.tif" in capsys.readouterr().out
    assert sorted(states(output)) == ["a", "b", "c"]


def test_other_verbs_say_that_masks_are_left_over(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    for number, name in enumerate("abc"):
        with Image.open(images / f"{name}.png") as image:
            image.save(images / f"t00{number}.tif")
        (images / f"{name}.png").unlink()
        truth = np.pad(np.ones((10, 20), int), 15)
        write_labels(tmp_path / "01_GT" / "SEG" / f"man_seg00{number}.tif", truth)
    output, measured = tmp_path / "out", tmp_path / "measured"
    verbs = (
        ["measure", str(output), "--output", str(measured)],
        ["evaluate", str(output), str(tmp_path / "01_GT")],
        ["link", str(output)],
    )
    command = ["segment", str(images), "--output", str(output), "--bundle", str(bundle), "--threshold", "0.1"]
    assert main(command) == 0
    for verb in verbs:
        assert main(verb) == 0
    assert "not written by the last" not in capsys.readouterr().out
    (images / "t002.tif").unlink()
    assert main(command) == 0
    capsys.readouterr()
    for verb in verbs:
        assert main(verb) == 0
        said = (
            f"Note: 1 of 3 masks in {output} was not written by the last unetpipe segment there, or its image is gone: "
        )
        assert f"{said}mask002.tif" in capsys.readouterr().out


def test_masks_of_one_name_are_said_before_the_long_work(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    """t000.tif has the mask mask000.tif, and mask000.png has mask000_mask.tif: both would be mask000 in tables."""
    write(images / "t000.tif", seed=0)
    write(images / "mask000.png", seed=1)
    command = ["segment", str(images), "--output", str(tmp_path / "out"), "--bundle", str(bundle)]
    for wish in (["--tables"], ["--export", "coco"]):
        assert main([*command, *wish]) == 1
        assert "would have the same name mask000; rename one." in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert main(command) == 0


def test_notes_that_cannot_be_written_are_one_sentence(images: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    for name in (".segmented.jsonl", ".cells.json"):
        output = tmp_path / f"out{name}"
        (output / name).mkdir(parents=True)
        assert main(["segment", str(images), "--output", str(output), "--bundle", str(bundle)]) == 1
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"Error: {output / name} cannot be used")
        assert [path.name for path in output.iterdir()] == [name]
