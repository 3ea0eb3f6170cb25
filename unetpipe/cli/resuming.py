"""What of a folder is still to be segmented, and what that takes."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.inferers import plan_tiles
from unetpipe.io.images import read_image
from unetpipe.io.journal import NAME, Journal
from unetpipe.memory import image_bytes, network_bytes


def open_journal(output: Path, configs: Sequence[str], overrides: Mapping[str, Any]) -> Journal:
    """Return the journal of an output folder for masks by these configs, their weights and values."""
    digest = hashlib.sha256(repr(sorted(overrides.items())).encode())
    for config in configs:
        digest.update(Path(config).read_bytes())
    weights = Path(_parse(configs, overrides).get_parsed_content("weights"))
    if weights.is_file():
        digest.update(weights.read_bytes())
    return Journal(output / NAME, digest.hexdigest())


def remaining(records: Sequence[Record], output: Path, journal: Journal) -> list[Record]:
    """Return the records whose masks are not complete."""
    complete = {
        name: journal.is_complete(output / name, image)
        for name, image in {record["mask_name"]: record["image"] for record in records}.items()
    }
    return [record for record in records if not complete[record["mask_name"]]]


def describe(records: Sequence[Record], configs: Sequence[str], overrides: Mapping[str, Any]) -> str:
    """Say how many tiles images take, how much memory, and how long from the second of two trials of a tile."""
    parser = _parse(configs, overrides)
    for step in ("inferer", "instances"):
        parser.get_parsed_content(step)  # refuses what segmenting would refuse
    network, device, inferer, channels, rotations, scale = (
        parser.get_parsed_content(key)
        for key in ("trained_network", "device", "tiles#inferer", "in_channels", "rotations", "scale")
    )
    sizes = {record["image"]: read_image(record["image"], record.get("page")).shape[1:] for record in records}
    scaled = {image: (round(height * scale), round(width * scale)) for image, (height, width) in sizes.items()}
    tiles = {size: inferer.tile(size, network, device) for size in scaled.values()}
    counts = {
        size: math.prod(
            len(plan_tiles(side, part, network.margin, network.step)[0]) for side, part in zip(size, tile, strict=True)
        )
        for size, tile in tiles.items()
    }
    number, pixels = 0, 0
    for record in records:
        size = scaled[record["image"]]
        number += max(rotations, 1) * counts[size]
        pixels += max(rotations, 1) * counts[size] * math.prod(tiles[size])
    height, width = max(tiles.values(), key=math.prod)
    seconds = time_tile(network, torch.zeros(1, channels, height, width, device=device))
    tile_bytes = network_bytes(network, height * width)
    largest = max(scaled.values(), key=math.prod)
    memory = image_bytes(largest, channels) + (tile_bytes if device.type == "cpu" else 0)
    return (
        f"Images: {len(records)}, the largest of {largest[0]} × {largest[1]} pixels\n"
        f"Tiles: {number} of at most {height} × {width} pixels\n"
        f"Memory: about {memory / 2**20:.0f} MiB for the largest image\n"
        f"Time: {seconds:.2f} s a tile, about {pixels * seconds / (height * width):.0f} seconds in all; "
        "nothing was written"
    )


def time_tile(network: Callable[[torch.Tensor], torch.Tensor], tile: torch.Tensor) -> float:
    """Return the seconds that a network takes for a tile: the second of two trials."""
    seconds = 0.0
    with torch.inference_mode():
        for _ in range(2):
            start = time.perf_counter()
            network(tile).sum().item()
            seconds = time.perf_counter() - start
    return seconds


def _parse(configs: Sequence[str], overrides: Mapping[str, Any]) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(list(configs))
    parser.update(dict(overrides))
    try:
        parser.get_parsed_content("weights")
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{configs[0]} names no weights that can be found.") from error
    return parser
