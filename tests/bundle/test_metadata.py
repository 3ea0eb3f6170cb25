"""The bundle's metadata: MONAI's own verification, and the sizes it states against the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, verify_metadata, verify_net_in_out

from unetpipe.bundle.writing import find_bundle

BUNDLE = find_bundle()
METADATA = BUNDLE / "configs" / "metadata.json"


def test_metadata_satisfies_our_schema():
    verify_metadata(meta_file=str(METADATA), filepath=str(BUNDLE / "schema" / "metadata_schema.json"))


def test_our_schema_refuses_metadata_without_a_task(tmp_path: Path):
    metadata = json.loads(METADATA.read_text())
    del metadata["task"]
    broken = tmp_path / "metadata.json"
    broken.write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match="task"):
        verify_metadata(meta_file=str(broken), filepath=str(BUNDLE / "schema" / "metadata_schema.json"))


def test_metadata_satisfies_the_official_schema(real_data: Path):
    official = real_data.parent / "schema" / "meta_schema_20240725.json"
    if not official.is_file():
        pytest.skip(f"the official schema is not at {official}")
    verify_metadata(meta_file=str(METADATA), filepath=str(official))


def test_version_is_in_the_changelog():
    metadata = json.loads(METADATA.read_text())
    assert metadata["version"] in metadata["changelog"]


@pytest.mark.parametrize("config", ["train.json", "inference.json"])
def test_network_takes_and_returns_what_the_metadata_says(config: str):
    narrow = {"network_def#channels": [2, 4, 8, 16, 32]}
    config_file = str(BUNDLE / "configs" / config)
    verify_net_in_out("network_def", str(METADATA), config_file, device="cpu", p=1, n=2, **narrow)


def test_stated_output_size_is_the_networks():
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    parser.read_meta(str(METADATA))
    parser["channels"] = [2, 4, 8, 16, 32]
    network = parser.get_parsed_content("network_def").eval()
    formats = parser["_meta_#network_data_format"]
    for n in (1, 2, 3):
        given, stated = (
            [eval(side, {"n": n}) for side in tensor["spatial_shape"]]
            for tensor in (formats["inputs"]["image"], formats["outputs"]["pred"])
        )
        with torch.no_grad():
            assert list(network(torch.zeros(1, 1, *given)).shape[-2:]) == stated
