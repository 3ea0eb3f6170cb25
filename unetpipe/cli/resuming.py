"""What of a folder is still to be segmented, and what that takes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from unetpipe.data.io import read_image
from unetpipe.data.journal import NAME, Journal
from unetpipe.errors import InputError
from unetpipe.inferers import plan_tiles
from unetpipe.networks import load_weights

IN_MEMORY = 80  # bytes a pixel: image, logits, probabilities, labels, distances


def open_journal(output: Path, configs: Sequence[str], overrides: Mapping[str, Any]) -> Journal:
    """Return the journal of an output folder for masks by these configs, their weights and values."""
    digest = hashlib.sha256(repr(sorted(overrides.items())).encode())
    for config in configs:
        digest.update(Path(config).read_bytes())
    weights = Path(_parse(configs, overrides).get_parsed_content("weights"))
    if weights.is_file():
        digest.update(weights.read_bytes())
    return Journal(output / NAME, digest.hexdigest())


def remaining(records: Sequence[dict[str, Any]], output: Path, journal: Journal) -> list[dict[str, Any]]:
    """Return the records whose masks are not complete."""
    complete = {
        name: journal.is_complete(output / name, image)
        for name, image in {record["mask_name"]: record["image"] for record in records}.items()
    }
    return [record for record in records if not complete[record["mask_name"]]]


def describe(records: Sequence[dict[str, Any]], configs: Sequence[str], overrides: Mapping[str, Any]) -> str:
    """Say how many tiles images take, how much memory, and how long from the second of two trials of a tile."""
    parser = _parse(configs, overrides)
    network: Any = load_weights(parser.get_parsed_content("network"), parser.get_parsed_content("weights")).eval()
    channels, tile = (int(parser.get_parsed_content(key)) for key in ("in_channels", "tile"))
    sizes = {record["image"]: read_image(record["image"], record.get("page")).shape[1:] for record in records}
    tiles = 0
    for record in records:
        sides = (plan_tiles(side, tile, network.margin, network.step)[0] for side in sizes[record["image"]])
        rows, columns = sides
        tiles += len(rows) * len(columns)
    image = torch.zeros(1, channels, tile, tile, device=parser.get_parsed_content("device"))
    seconds = 0.0
    with torch.inference_mode():
        for _ in range(2):
            start = time.perf_counter()
            network(image).sum().item()
            seconds = time.perf_counter() - start
    largest = max(height * width for height, width in sizes.values())
    memory = (IN_MEMORY + 12 * channels) * largest / 2**20
    return (
        f"Images: {len(records)}, the largest of {largest} pixels\n"
        f"Tiles: {tiles} of at most {tile} × {tile} pixels\n"
        f"Memory: about {memory:.0f} MiB for the largest image, besides the network\n"
        f"Time: {seconds:.2f} s a tile, about {tiles * seconds:.0f} seconds in all; nothing was written"
    )


def _parse(configs: Sequence[str], overrides: Mapping[str, Any]) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(list(configs))
    parser.update(dict(overrides))
    try:
        parser.get_parsed_content("weights")
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{configs[0]} names no weights that can be found.") from error
    return parser
