"""The rules of MONAI's model zoo, for the bundle that ships and for one that ``unetpipe export`` writes.

References
----------
Project MONAI, model zoo: CONTRIBUTING, sections "Model storage", "Preferred Files and Keys", "Verifying a bundle".
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, ckpt_export, verify_metadata, verify_net_in_out
from workflows import workflow

from unetpipe.bundle.writing import export_bundle, find_bundle
from unetpipe.networks import load_weights

LARGEST_FILE = 25e6  # bytes
FILES = (
    *("LICENSE", "configs/metadata.json", "configs/inference.json", "configs/train.json", "configs/logging.conf"),
    *("docs/README.md", "docs/data_license.txt", "models/model.pt"),
)
INFERENCE_KEYS = ("bundle_root", "device", "network_def", "inferer", "output_dir", "preprocessing", "postprocessing")
TRAIN_KEYS = (
    *("bundle_root", "device", "dataset_dir", "output_dir", "val_interval"),
    *("train#trainer", "train#trainer#max_epochs", "train#dataset", "train#dataset#data", "train#handlers"),
    *("train#preprocessing", "train#inferer"),
    *("validate#evaluator", "validate#handlers", "validate#dataset", "validate#dataset#data"),
    *("validate#preprocessing", "validate#postprocessing", "validate#inferer", "validate#key_metric"),
)


@pytest.fixture(scope="module", params=["shipped", "exported"])
def bundle(request: pytest.FixtureRequest, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle to hand in."""
    if request.param == "shipped":
        return find_bundle()
    folder = tmp_path_factory.mktemp("zoo") / "bundle"
    export_bundle(trained, folder, half=True)
    return folder


def network_arguments(bundle: Path) -> dict[str, str]:
    return {
        "net_id": "network_def",
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "config_file": str(bundle / "configs" / "inference.json"),
    }


def test_files_are_there_and_none_is_too_large(bundle: Path) -> None:
    for name in FILES:
        assert (bundle / name).is_file(), name
    files = [path for path in bundle.rglob("*") if path.is_file()]
    assert {path.name for path in files if path.stat().st_size > LARGEST_FILE} == set()
    # code is checked by the zoo's own style, and only found from the bundle's folder: ours stands in the package
    assert not [path for path in files if path.suffix == ".py"]


def test_terms_of_model_and_data_are_stated(bundle: Path) -> None:
    assert "Apache License" in (bundle / "LICENSE").read_text()
    assert "citation" in (bundle / "docs" / "data_license.txt").read_text()


@pytest.mark.parametrize(("config", "keys"), [("inference.json", INFERENCE_KEYS), ("train.json", TRAIN_KEYS)])
def test_configs_have_the_zoos_keys(bundle: Path, config: str, keys: tuple[str, ...]) -> None:
    parser = ConfigParser(ConfigParser.load_config_file(str(bundle / "configs" / config)))
    assert [key for key in keys if key not in parser] == []


def test_validation_goes_by_val_interval(bundle: Path) -> None:
    handlers = json.loads((bundle / "configs" / "train.json").read_text())["train"]["named_handlers"]
    assert handlers["validation"]["_target_"] == "unetpipe.handlers.Validation"
    assert handlers["validation"]["interval"] == "@val_interval"


def test_no_config_names_a_place_on_one_machine(bundle: Path) -> None:
    """Not even in a bundle that was exported from a training on real folders."""
    for path in bundle.glob("configs/*.json"):
        assert not re.search(r'"(/|~|[A-Z]:\\)', path.read_text()), path


def test_metadata_names_and_counts_the_version(bundle: Path) -> None:
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    assert metadata["name"]
    verify_metadata(
        meta_file=str(bundle / "configs" / "metadata.json"),
        filepath=str(find_bundle() / "schema" / "metadata_schema.json"),
    )


def test_network_takes_and_returns_what_the_metadata_says(bundle: Path) -> None:
    verify_net_in_out(**network_arguments(bundle), device="cpu", p=1, n=1)


def test_weights_become_torchscript(bundle: Path, tmp_path: Path) -> None:
    path, weights = tmp_path / "model.ts", bundle / "models" / "model.pt"
    ckpt_export(**network_arguments(bundle), filepath=str(path), ckpt_file=str(weights), bundle_root=str(bundle))
    parser = ConfigParser(ConfigParser.load_config_file(str(bundle / "configs" / "inference.json")))
    network = load_weights(parser.get_parsed_content("network_def"), weights).eval()
    image = torch.randn(1, 1, network.smallest_size, network.smallest_size + network.step)
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.load(path).eval()(image), network(image), atol=1e-4, rtol=1e-4)


def test_inference_has_monais_properties(bundle: Path, synthetic: Path) -> None:
    made = workflow(["inference.json"], bundle, dataset_dir=str(synthetic / "01"))
    made.initialize()
    assert not made.check_properties()
