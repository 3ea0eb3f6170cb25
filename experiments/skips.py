"""An autoencoder against U-Nets: what the skip connections of each level add, on images such as MNIST's.

    python -m experiments.skips DATASET --output DIR

Trains the bundle's ``autoencoder.json`` once for each choice of skips, on the images that come first, and scores the
reconstruction of the last fifth. Beside it: the mean image, 4 × 4 block means, and a PCA with as many numbers an
image as the network's bottom has. Full-resolution skips need nothing else: the network can copy its input through them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from PIL import Image

from benchmarks.arguments import one_sentence
from unetpipe.bundle.writing import find_bundle
from unetpipe.datasets import mnist, split_records
from unetpipe.errors import InputError
from unetpipe.files import check_folder, write_text
from unetpipe.io.idx import read_idx
from unetpipe.io.images import write_picture

VARIANTS: dict[str, list[int]] = {
    "no skips": [],
    "half resolution": [1],
    "full resolution": [0],
    "all": [0, 1],
}
SHOWN, ZOOM = 12, 3  # images in the picture; pixels a pixel


@one_sentence()
def main() -> None:
    """Train, print a table, write ``reconstructions.png`` and ``scores.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--channels", default="[32,4]", help="feature channels of the two levels ([32,4])")
    parser.add_argument("--max-epochs", type=int, default=6)
    parser.add_argument("--steps-per-epoch", type=int, default=100)
    options = parser.parse_args()
    channels = two_levels(options.channels)
    if min(options.max_epochs, options.steps_per_epoch) < 1:
        raise InputError("--max-epochs and --steps-per-epoch must be at least 1.")
    check_folder(options.output)
    train, held_out = images(options.dataset)
    bottom = channels[-1] * np.prod([side // 2 ** len(channels) for side in train.shape[1:]])
    results: dict[str, np.ndarray] = {
        "mean image": np.broadcast_to(train.mean(axis=0), held_out.shape),
        "block means": block_means(held_out, 2 ** len(channels)),
        f"PCA, {bottom} numbers": principal_components(train, held_out, int(bottom)),
    }
    keys = {"channels": channels, "max_epochs": options.max_epochs, "steps_per_epoch": options.steps_per_epoch}
    for name, skips in VARIANTS.items():
        folder = options.output / name.replace(" ", "_")
        reconstruct = trained(options.dataset, folder, skips=skips, val_interval=options.max_epochs, **keys)
        results[name] = reconstruct(held_out)
    scores = {name: float(np.mean((result - held_out) ** 2)) for name, result in results.items()}
    print(f"{len(held_out)} images held out\n| | mean squared error | PSNR |\n| --- | --- | --- |")
    for name, error in scores.items():
        print(f"| {name} | {error:.5f} | {-10 * np.log10(max(error, 1e-12)):.1f} dB |")
    write_text(options.output / "scores.json", json.dumps(scores, indent=4))
    rows = [held_out[:SHOWN], *(result[:SHOWN] for result in results.values())]
    write_picture(options.output / "reconstructions.png", Image.fromarray(grid(rows)))
    print(f"Picture: {options.output / 'reconstructions.png'} (rows: input, then as in the table)")


def two_levels(channels: str) -> list[int]:
    """Read the feature channels of two levels, of which the variants speak; InputError if they are others."""
    try:
        found = json.loads(channels)
    except ValueError:
        found = None
    if not (isinstance(found, list) and len(found) == 2 and all(type(width) is int and width > 0 for width in found)):
        raise InputError(f"--channels {channels} must be two whole numbers above 0 such as [32,4].")
    return found


def images(dataset: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images that train and those held out, (N, H, W) in 0 … 1, split as the bundle does."""
    parts = split_records(mnist.records(dataset))
    sizes = {read_idx(record["image"]).shape[1:] for part in parts.values() for record in part}
    if len(sizes) > 1 or any(side % 4 for size in sizes for side in size):
        raise InputError(f"{dataset} holds images of {sorted(sizes)} pixels; they must be alike, sides multiples of 4.")
    train, held_out = (
        np.stack([read_idx(record["image"])[record["page"]] for record in parts[part]]).astype(np.float32) / 255
        for part in ("train", "val")
    )
    return train, held_out


def trained(dataset: Path, folder: Path, **overrides: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Train the overlay and return what reconstructs images (N, H, W)."""
    configs = find_bundle() / "configs"
    made = ConfigWorkflow(
        config_file=[str(configs / name) for name in ("train.json", "autoencoder.json")],
        meta_file=str(configs / "metadata.json"),
        logging_file=False,
        workflow_type="train",
        bundle_root=str(find_bundle()),
        dataset_dir=str(dataset),
        output_dir=str(folder),
        progress=False,
        **overrides,
    )
    made.initialize()
    made.run()
    network = made.parser.get_parsed_content("weight_average").network.eval()

    @torch.no_grad()
    def reconstruct(batch: np.ndarray) -> np.ndarray:
        device = next(network.parameters()).device
        return network(torch.from_numpy(batch)[:, None].to(device))[:, 0].cpu().numpy()

    return reconstruct


def block_means(batch: np.ndarray, side: int) -> np.ndarray:
    """Return (N, H, W) with every block of ``side`` × ``side`` pixels at its mean."""
    count, height, width = batch.shape
    blocks = batch.reshape(count, height // side, side, width // side, side).mean(axis=(2, 4))
    return blocks.repeat(side, axis=1).repeat(side, axis=2)


def principal_components(train: np.ndarray, batch: np.ndarray, number: int) -> np.ndarray:
    """Return (N, H, W) rebuilt from its first principal components, those of ``train``."""
    flat, mean = batch.reshape(len(batch), -1), train.mean(axis=0).ravel()
    axes = np.linalg.eigh(np.cov(train.reshape(len(train), -1), rowvar=False))[1][:, -number:].astype(np.float32)
    return ((flat - mean) @ axes @ axes.T + mean).reshape(batch.shape)


def grid(rows: list[np.ndarray]) -> np.ndarray:
    """Draw rows of images (N, H, W) in 0 … 1 as one picture, uint8."""
    lines = [np.concatenate(list(row), axis=1) for row in rows]
    picture = (np.clip(np.concatenate(lines), 0, 1) * 255).round().astype(np.uint8)
    return picture.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


if __name__ == "__main__":
    main()
