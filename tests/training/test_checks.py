"""What a user can get wrong is said in one sentence that names the file, before any work."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError
from unetpipe.io import write_labels
from unetpipe.networks import UNet, save_state
from unetpipe.training import check_evaluation, check_inference, check_training

TRAIN = str(find_bundle() / "configs" / "train.json")
NOTHING_CHOSEN = dict.fromkeys(("train_sequences", "train_frames", "val_sequences", "val_frames"))


@pytest.fixture
def dataset(synthetic: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(synthetic, tmp_path / "set"))


@pytest.fixture
def network() -> UNet:
    return UNet(channels=(2, 4), dropout=0)


def training_error(dataset: Path, network: UNet, tile: int = 66, **choice: Any) -> str:
    with pytest.raises(InputError) as caught:
        check_training(str(dataset), "gold+silver", {**NOTHING_CHOSEN, **choice}, network, tile, "output")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_good_set_passes(dataset: Path, network: UNet):
    check_training(str(dataset), "gold+silver", NOTHING_CHOSEN, network, 66, "output")


def test_missing_folder(tmp_path: Path, network: UNet):
    assert str(tmp_path / "nowhere") in training_error(tmp_path / "nowhere", network)


def test_folder_of_another_layout(tmp_path: Path, network: UNet):
    (tmp_path / "pictures").mkdir()
    message = training_error(tmp_path, network)
    assert str(tmp_path) in message
    assert "tNNN.tif" in message


def test_truncated_image(dataset: Path, network: UNet):
    broken = dataset / "01" / "t001.tif"
    broken.write_bytes(broken.read_bytes()[:500])
    assert str(broken) in training_error(dataset, network)


def test_truncated_label(dataset: Path, network: UNet):
    broken = dataset / "02_GT" / "SEG" / "man_seg001.tif"
    broken.write_bytes(broken.read_bytes()[:60])
    assert str(broken) in training_error(dataset, network)


def test_label_of_another_size(dataset: Path, network: UNet):
    other = dataset / "01_GT" / "SEG" / "man_seg000.tif"
    write_labels(other, np.ones((10, 12), np.int32))
    assert "man_track000.tif" in training_error(dataset, network)
    (dataset / "01_GT" / "TRA" / "man_track000.tif").unlink()
    message = training_error(dataset, network)
    assert str(other) in message
    assert "96×128" in message


def test_rgb_image_for_a_one_channel_net(dataset: Path, network: UNet):
    colours = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    Image.fromarray(colours).save(dataset / "01" / "t000.tif")
    message = training_error(dataset, network)
    assert "t000.tif has 3 channel(s)" in message
    assert "in_channels=3" in message


def test_nan_pixels(dataset: Path, network: UNet):
    Image.fromarray(np.full((96, 128), np.nan, np.float32)).save(dataset / "01" / "t000.tif")
    assert "t000.tif holds pixels that are NaN" in training_error(dataset, network)


def test_label_without_its_image(dataset: Path, network: UNet):
    (dataset / "01" / "t002.tif").unlink()
    assert "t002.tif is missing" in training_error(dataset, network)


def test_no_cell_at_all(dataset: Path, network: UNet):
    for path in dataset.glob("*_*/SEG/*.tif"):
        write_labels(path, np.zeros((96, 128), np.int32))
    assert "no cell" in training_error(dataset, network)


def test_tile_that_does_not_fit(dataset: Path, network: UNet):
    assert "64 and 66" in training_error(dataset, network, tile=65)


def test_choice_that_leaves_nothing(dataset: Path, network: UNet):
    assert "validation" in training_error(dataset, network, val_frames="50-60")
    assert "0-x" in training_error(dataset, network, train_frames="0-x")


def test_missing_weights(dataset: Path, network: UNet, tmp_path: Path):
    with pytest.raises(InputError, match=r"no weights at .*model\.pt"):
        check_inference(str(dataset / "01"), network, 66, str(tmp_path / "model.pt"), "output")


def test_weights_of_another_width(dataset: Path, network: UNet, tmp_path: Path):
    save_state(UNet(channels=(3, 6), dropout=0).state_dict(), tmp_path / "model.pt")
    everything = {"truth": "gold", "sequences": None, "frames": None}
    with pytest.raises(InputError, match="another size"):
        check_evaluation(
            str(dataset), "gold", NOTHING_CHOSEN, everything, network, str(tmp_path / "model.pt"), "output"
        )


def test_folder_without_images(tmp_path: Path, network: UNet):
    save_state(network.state_dict(), tmp_path / "model.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        check_inference(str(tmp_path / "empty"), network, 66, str(tmp_path / "model.pt"), "output")


def test_under_monai_bundle_it_raises_the_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, network: UNet):
    monkeypatch.setattr("sys.argv", ["site-packages/monai/bundle/__main__.py", "run", "--config_file", TRAIN])
    with pytest.raises(InputError) as caught:
        check_training(str(tmp_path / "nowhere"), "gold", NOTHING_CHOSEN, network, 66, "output")
    assert str(caught.value) == f"There is no data folder {tmp_path / 'nowhere'}."


def test_a_bug_is_not_taken_for_bad_input(monkeypatch: pytest.MonkeyPatch, dataset: Path, network: UNet):
    def broken(record: dict) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["unetpipe.datasets.survey"], "read_truth", broken)
    with pytest.raises(ZeroDivisionError):
        check_training(str(dataset), "gold", NOTHING_CHOSEN, network, 66, "output")


def test_weights_load_safely(network: UNet, tmp_path: Path):
    torch.save({"model": network}, tmp_path / "model.pt")  # a pickled object in place of tensors
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "images" / "a.png")
    with pytest.raises(InputError, match="loaded safely"):
        check_inference(str(tmp_path / "images"), network, 66, str(tmp_path / "model.pt"), "output")


def test_output_folder_that_cannot_be_made(dataset: Path, network: UNet, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_training(str(dataset), "gold", NOTHING_CHOSEN, network, 66, str(tmp_path / "file" / "output"))


def squares(path: Path, cells: int) -> None:
    label = np.zeros((96, 128), np.int32)
    for number in range(cells):
        row, column = divmod(number, 8)
        label[12 * row : 12 * row + 5, 12 * column : 12 * column + 5] = number + 1
    write_labels(path, label)


def counted(dataset: Path, cells: Sequence[int]) -> Path:
    """Keep sequence 01, with so many cells in its frames."""
    for name in ("02", "02_GT", "02_ST", "01_ST", "01_GT/TRA"):
        shutil.rmtree(dataset / name, ignore_errors=True)
    for frame, number in enumerate(cells):
        (dataset / "01" / f"t{frame:03d}.tif").write_bytes((dataset / "01" / "t000.tif").read_bytes())
        squares(dataset / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif", number)
    return dataset


def test_too_few_validation_cells_are_a_warning(dataset: Path, network: UNet, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    arguments = (network, 66, "output")
    counted(dataset, [20] * 10)
    check_training(str(dataset), "gold", NOTHING_CHOSEN, *arguments)
    assert "Training: 8 frames with 160 cells." in caplog.text
    assert "Validation: 2 frames with 40 cells." in caplog.text
    assert "WARNING" not in caplog.text
    check_training(str(dataset), "gold", {**NOTHING_CHOSEN, "val_frames": "9"}, *arguments)
    assert "Only 20 cells in 1 frame validate" in caplog.text
    assert "Leave out val_frames and val_sequences: then 40 cells in 2 frames validate" in caplog.text
    assert "01: 2, 7" in caplog.text
    caplog.clear()
    check_training(str(counted(dataset, [2] * 10)), "gold", NOTHING_CHOSEN, *arguments)
    assert "Only 4 cells in 2 frames validate" in caplog.text
    assert "Annotate more cells" in caplog.text


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A data set of paired folders."""
    labels = np.kron(np.arange(1, 26).reshape(5, 5), np.ones((20, 20), int))
    for name in "abcdef":
        write_labels(tmp_path / "pairs" / "images" / f"{name}.tif", np.arange(10000).reshape(100, 100))
        write_labels(tmp_path / "pairs" / "masks" / f"{name}.tif", labels)
    return tmp_path / "pairs"


@pytest.mark.parametrize("place", [".", "images", "masks"])
def test_results_do_not_go_among_the_data(place: str, pairs: Path, network: UNet, tmp_path: Path):
    save_state(network.state_dict(), tmp_path / "model.pt")
    evaluation = {"truth": "gold+silver", "sequences": None, "frames": None}
    data, output, weights = str(pairs), str(pairs / "x" / ".." / place), str(tmp_path / "model.pt")
    (pairs / "x").mkdir()
    with pytest.raises(InputError, match="The trained bundle would lie among the data in"):
        check_training(data, "gold+silver", NOTHING_CHOSEN, network, 66, output)
    with pytest.raises(InputError, match="The masks would lie among the images in"):
        check_evaluation(data, "gold+silver", NOTHING_CHOSEN, evaluation, network, weights, output)
    if place != "masks":  # which segmenting does not read
        with pytest.raises(InputError, match="The masks would lie among the images in"):
            check_inference(data, network, None, weights, output)


def test_results_do_not_go_among_the_data_of_another_set(pairs: Path, network: UNet, tmp_path: Path):
    save_state(network.state_dict(), tmp_path / "model.pt")
    other = tmp_path / "other"
    write_labels(other / "01" / "t000.tif", np.eye(20, dtype=np.int32))
    with pytest.raises(InputError, match="The trained bundle would lie among the data in"):
        check_training(str(pairs), "gold+silver", NOTHING_CHOSEN, network, 66, str(other))
    for data in (pairs, pairs / "images" / "a.tif"):
        with pytest.raises(InputError, match="The masks would lie among the data in"):
            check_inference(str(data), network, None, str(tmp_path / "model.pt"), str(other))


def test_results_may_go_beside_the_data(pairs: Path, dataset: Path, network: UNet, tmp_path: Path):
    save_state(network.state_dict(), tmp_path / "model.pt")
    for output in (pairs.parent, pairs / "model"):
        check_training(str(pairs), "gold+silver", NOTHING_CHOSEN, network, 66, str(output))
    check_inference(str(dataset), network, None, str(tmp_path / "model.pt"), str(dataset))  # to 01_RES beside 01
