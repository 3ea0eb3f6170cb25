"""Which images of a folder are still to be segmented, and how much time and memory they take."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from unetpipe.datasets.pixels import read_pixels
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.inferers import OverlapTileInferer, plan_tiles
from unetpipe.io.journal import NAME, Journal
from unetpipe.memory import image_bytes, network_bytes
from unetpipe.predictor import Predictor


def open_journal(output: Path, predictor: Predictor) -> Journal:
    """Return the journal of an output folder for masks by a model: its config files, values and weights."""
    digest = hashlib.sha256(repr(sorted(predictor.values.items())).encode())
    for config in predictor.configs:
        digest.update(Path(config).read_bytes())
    if predictor.weights.is_file():
        digest.update(predictor.weights.read_bytes())
    return Journal(output / NAME, digest.hexdigest())


def remaining(records: Sequence[Record], output: Path, journal: Journal) -> list[Record]:
    """Return the records whose masks are not complete."""
    complete = {
        name: journal.is_complete(output / name, image)
        for name, image in {record["mask_name"]: record["image"] for record in records}.items()
    }
    return [record for record in records if not complete[record["mask_name"]]]


def describe(records: Sequence[Record], predictor: Predictor) -> str:
    """Say how many tiles and how much memory the images take, and how long; a tile is timed for that."""
    _ = predictor.inferer, predictor.settings  # refuse what segmenting would refuse
    if not isinstance(predictor.tiles, OverlapTileInferer):
        raise InputError(
            f"--dry-run counts the tiles of OverlapTileInferer, and this bundle segments by "
            f"{type(predictor.tiles).__name__}; leave out --dry-run."
        )
    network, device, rotations, scale = predictor.network, predictor.device, predictor.rotations, predictor.scale
    sizes = {record["image"]: read_pixels(record).shape[1:] for record in records}
    scaled = {image: (round(height * scale), round(width * scale)) for image, (height, width) in sizes.items()}
    tiles = {size: predictor.tiles.tile(size, network, device) for size in scaled.values()}
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
    seconds = time_tile(network, torch.zeros(1, predictor.channels, height, width, device=device))
    tile_bytes = network_bytes(network, height * width)
    largest = max(scaled.values(), key=math.prod)
    memory = image_bytes(largest, predictor.channels) + (tile_bytes if device.type == "cpu" else 0)
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
