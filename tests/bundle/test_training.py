"""Training from the configs: the folder it writes, reproducibility, and the choices a config offers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import monai.bundle
import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle import ckpt_export, onnx_export
from PIL import Image
from workflows import SHORT, SMALL, run, workflow

from unetpipe import Predictor
from unetpipe.cli.main import main
from unetpipe.errors import input_error_behind
from unetpipe.instances import InstanceSettings
from unetpipe.io import read_labels
from unetpipe.networks import UNet, load_weights
from unetpipe.training.checkpoints import read_checkpoint


def test_training_satisfies_monais_properties(synthetic: Path, tmp_path: Path):
    made = workflow(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path), **SMALL, **SHORT)
    made.initialize()
    assert not made.check_properties()


def test_trained_folder_is_a_complete_bundle(trained: Path):
    names = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert {"LICENSE", "configs/logging.conf", "configs/metadata.json", "docs/README.md", "models/model.pt"} <= names
    assert {"configs/train.json", "configs/evaluate.json", "configs/inference.json"} <= names
    assert any(name.startswith("tensorboard/") for name in names)
    assert any(name.startswith("checkpoints/") for name in names)
    page = (trained / "report.html").read_text()
    assert page.count('class="frame"') == 2  # the validation frames
    assert "train_loss" in page
    assert "val_seg" in page
    threshold = json.loads((trained / "configs" / "inference.json").read_text())["threshold"]
    assert f"<dt><code>threshold</code></dt><dd><code>{threshold}</code></dd>" in page


def test_the_last_epoch_is_validated_whatever_the_interval(synthetic: Path, tmp_path: Path) -> None:
    length = {**SHORT, "max_epochs": 1, "val_interval": 2}
    made = run(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path), **SMALL, **length)
    assert made.parser.get_parsed_content("validate#evaluator").state.best_metric_epoch == 1
    assert (tmp_path / "report.html").is_file()
    load_weights(made.parser.get_parsed_content("network_def"), tmp_path / "models" / "model.pt")


def test_without_held_out_frames_the_last_model_is_saved(synthetic: Path, tmp_path: Path) -> None:
    length = {**SHORT, "max_epochs": 3, "val_interval": 2, "hold_out": False}
    made = run(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path), **SMALL, **length)
    last = made.parser.get_parsed_content("weight_average").network.state_dict()
    saved = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(saved[name], last[name]) for name in last)


def test_a_loss_that_is_not_finite_stops_in_one_sentence_and_writes_no_bundle(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as raised:
        run(
            ["train.json"],
            dataset_dir=str(synthetic),
            output_dir=str(tmp_path),
            **SMALL,
            **{**SHORT, "steps_per_epoch": 20, "learning_rate": 1e30},
        )
    said = str(input_error_behind(raised.value))
    assert said.startswith("The loss is ")
    assert said.endswith("(epoch 1), so training stopped; a lower learning_rate may help.")
    assert not (tmp_path / "models").exists()
    assert read_checkpoint(tmp_path / "checkpoints" / "last.pt")["epoch"] == 0  # so another training may begin here


def test_trained_configs_hold_what_was_used(trained: Path):
    config = json.loads((trained / "configs" / "inference.json").read_text())
    assert config["channels"] == SMALL["channels"]
    assert json.loads((trained / "configs" / "train.json").read_text())["tile"] == SMALL["tile"]
    assert config["pixel_size"] == 0.5
    assert 0 < config["threshold"] < 1
    assert isinstance(config["min_size"], int)
    assert config["min_size"] > 0
    formats = json.loads((trained / "configs" / "metadata.json").read_text())["network_data_format"]
    assert formats["inputs"]["image"]["spatial_shape"] == ["66 + 2*(n-1)"] * 2
    assert formats["outputs"]["pred"]["spatial_shape"] == ["50 + 2*(n-1)"] * 2


def test_trained_folder_infers_and_evaluates_without_further_arguments(trained: Path, synthetic: Path, tmp_path: Path):
    made = run(["inference.json"], trained, output_dir=str(tmp_path / "masks"), progress=False)
    assert not made.check_properties()
    run(["train.json", "evaluate.json"], trained, output_dir=str(tmp_path / "scored"), progress=False)
    image = np.array(Image.open(synthetic / "01" / "t002.tif"))
    with Image.open(tmp_path / "masks" / "01_RES" / "mask002.tif") as mask:
        assert mask.mode == "I;16"
        assert np.array(mask).dtype == np.uint16
        assert np.array(mask).shape == image.shape == (96, 128)
    # the frame in the middle of three validates
    scored = sorted(path.relative_to(tmp_path / "scored") for path in (tmp_path / "scored").rglob("*.tif"))
    assert scored == [Path("01_RES/mask001.tif"), Path("02_RES/mask001.tif")]
    assert (tmp_path / "scored" / "report.html").read_text().count('class="frame"') == 2
    for name in scored:
        assert np.array_equal(read_labels(tmp_path / "scored" / name), read_labels(tmp_path / "masks" / name))


def test_masks_are_the_whole_image_pass(trained: Path, synthetic: Path, tmp_path: Path):
    """The mask file against the network on the mirrored image, written without the pipeline's parts."""
    settings = json.loads((trained / "configs" / "inference.json").read_text())
    made = run(
        ["inference.json"],
        trained,
        dataset_dir=str(synthetic / "02"),
        output_dir=str(tmp_path),
        progress=False,
        amp=False,
    )
    network = made.parser.get_parsed_content("network_def").eval()
    image = np.array(Image.open(synthetic / "02" / "t000.tif")).astype(np.float32)
    image = (image - image.mean()) / image.std()
    padded = np.pad(image, network.margin, mode="reflect")
    with torch.no_grad():
        probability = network(torch.from_numpy(padded)[None, None]).softmax(1)[0, 1].numpy()
    expected = InstanceSettings(
        threshold=settings["threshold"],
        min_size=settings["min_size"],
        ridge_refill_radius=settings["ridge_refill_radius"],
        marker_threshold=settings["marker_threshold"],
    ).instances(probability)
    assert np.array_equal(read_labels(tmp_path / "mask000.tif"), expected)


def test_same_seed_gives_the_same_weights(synthetic: Path, tmp_path: Path):
    states = []
    for name in ("one", "two"):
        made = run(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path / name), **SMALL, **SHORT)
        states.append(made.parser.get_parsed_content("network").state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_another_seed_gives_other_weights(synthetic: Path, tmp_path: Path):
    states = []
    for seed in (0, 1):
        made = run(
            ["train.json"],
            dataset_dir=str(synthetic),
            output_dir=str(tmp_path / str(seed)),
            **SMALL,
            **SHORT,
            seed=seed,
        )
        states.append(made.parser.get_parsed_content("network").state_dict())
    assert not torch.equal(states[0]["classify.weight"], states[1]["classify.weight"])


@pytest.mark.parametrize(
    ("overlays", "overrides"),
    [
        (["paper.json"], {}),
        (["dice.json"], {}),
        (["dice_ce.json"], {}),
        ([], {"train#random_transforms#elastic#_target_": "Rand2DElasticd"}),
    ],
    ids=["paper", "dice", "dice_ce", "stock_elastic"],
)
def test_choices_of_the_config_train(overlays: list[str], overrides: dict, synthetic: Path, tmp_path: Path):
    made = run(
        ["train.json", *overlays],
        dataset_dir=str(synthetic),
        output_dir=str(tmp_path),
        **{**SMALL, **SHORT, "max_epochs": 1, **overrides},
    )
    loss = made.parser.get_parsed_content("train#trainer").state.metrics["train_loss"]
    assert np.isfinite(loss)
    assert loss > 0


def test_training_tile_stays_aligned(synthetic: Path, tmp_path: Path):
    """Image, label, weight and known, through the deterministic and random chain, on a non-square image."""
    made = workflow(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path), **SMALL, **SHORT)
    parser = made.parser
    parser["load_truth"] = {"_target_": "unetpipe.transforms.ReadTruthd"}
    transforms = parser.get_parsed_content("train#dataset").transform
    transforms.set_random_state(3)
    record = parser.get_parsed_content("split")["train"][0]
    item = transforms(record)
    side = parser.get_parsed_content("network_def").output_size(SMALL["tile"])
    assert item["image"].shape == (1, SMALL["tile"], SMALL["tile"])
    assert item["label"].shape == item["weight"].shape == (1, side, side)
    margin = (SMALL["tile"] - side) // 2
    image = item["image"][0, margin : margin + side, margin : margin + side].numpy()
    cell = item["label"][0].numpy() > 0
    # cells are brighter than the background around them: misaligned arrays would not tell them apart
    assert image[cell].mean() > image[~cell].mean() + 0.5
    # the border term stands on background alone, and only there is the weight above 1
    assert (item["weight"][0].numpy()[cell] < 3).mean() > 0.9


def test_monai_loads_the_trained_network(trained: Path, tmp_path: Path):
    shutil.copytree(trained, tmp_path / "mine")
    network = monai.bundle.load(name="mine", bundle_dir=str(tmp_path))
    saved = torch.load(trained / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())


def test_exported_bundle_is_small_and_names_no_place(trained: Path, synthetic: Path, tmp_path: Path):
    assert main(["export", str(trained), "--output", str(tmp_path / "mine"), "--half"]) == 0
    names = {path.relative_to(tmp_path / "mine").parts[0] for path in (tmp_path / "mine").rglob("*")}
    assert names == {"LICENSE", "configs", "docs", "models"}
    for config in (tmp_path / "mine" / "configs").glob("*.json"):
        assert str(synthetic) not in config.read_text()
        assert str(trained) not in config.read_text()
    image = np.array(Image.open(synthetic / "01" / "t000.tif"))
    whole, half = (
        Predictor.load(folder, amp=False)(image, return_probabilities=True)[1]
        for folder in (trained, tmp_path / "mine")
    )
    np.testing.assert_allclose(half, whole, atol=5e-3)  # half precision has 11 bits
    assert main(["export", str(trained), "--output", str(tmp_path / "mine")]) == 1


def test_torchscript_export_equals_the_network(trained: Path, tmp_path: Path):
    configs = trained / "configs"
    ckpt_export(
        "network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(trained / "models" / "model.pt"),
        meta_file=str(configs / "metadata.json"),
        config_file=str(configs / "inference.json"),
    )
    network = load_weights(UNet(channels=SMALL["channels"], norm="batch"), trained / "models" / "model.pt").eval()
    image = torch.randn(1, 1, SMALL["tile"], SMALL["tile"] + 2)
    with torch.no_grad():
        assert torch.allclose(torch.jit.load(tmp_path / "model.ts").eval()(image), network(image), atol=1e-4)


def test_onnx_export_equals_the_network(trained: Path, tmp_path: Path):
    configs = trained / "configs"
    onnx_export(
        "network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(trained / "models" / "model.pt"),
        meta_file=str(configs / "metadata.json"),
        config_file=str(configs / "inference.json"),
    )
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    network = load_weights(UNet(channels=SMALL["channels"], norm="batch"), trained / "models" / "model.pt").eval()
    (given,) = session.get_inputs()
    image = torch.randn(*given.shape)
    with torch.no_grad():
        (result,) = session.run(None, {given.name: image.numpy()})
        assert np.allclose(result, network(image).numpy(), atol=1e-4)


def test_a_report_that_cannot_be_written_is_one_sentence(synthetic: Path, tmp_path: Path) -> None:
    """The trained bundle is there all the same."""
    (tmp_path / "report.html" / "in the way").mkdir(parents=True)
    with pytest.raises(RuntimeError) as caught:  # MONAI's, around the InputError
        run(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path), **SMALL, **{**SHORT, "max_epochs": 1})
    assert "report.html cannot be written" in str(input_error_behind(caught.value))
    assert (tmp_path / "models" / "model.pt").is_file()
    assert not list(tmp_path.glob(".report*"))
