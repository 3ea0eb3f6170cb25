"""Small stand-ins for large images: arrays as lazy images, probabilities taken to instances block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from scipy import ndimage

from unetpipe.bundle.writing import find_bundle, write_bundle
from unetpipe.instances import InstanceSettings
from unetpipe.large.blocks import Grid
from unetpipe.large.images import LazyImage
from unetpipe.large.processes import Function
from unetpipe.large.result import create
from unetpipe.large.stages import stages
from unetpipe.large.work import Statistics, Work
from unetpipe.networks import UNet, save_state


class ArrayImage(LazyImage):
    """An image in memory, of which regions are read as from disk."""

    def __init__(self, array: np.ndarray, axes: str = "yx") -> None:
        self.path, self.axes, self.array = Path("/array.tif"), axes, array
        self.array_shape, self.dtype, self.native = array.shape, array.dtype, (1, 1)
        count = len(axes.replace("c", ""))
        self.scale, self.units = (1.0,) * count, (None,) * count

    def identity(self) -> dict[str, Any]:
        return {"sum": float(self.array.sum()), "shape": self.array_shape}

    def _read(self, index: tuple[int | slice, ...]) -> np.ndarray:
        return self.array[index]


class CutOff(Exception):
    """Stands for the end of the process."""


class DiesAfter:
    """Computes so many jobs of a run, then dies."""

    workers, threads = 0, 1

    def __init__(self, jobs: int) -> None:
        self.left = jobs

    def each(self, function: Function, work: Work, jobs: Sequence[Any]) -> Iterator[None]:
        for job in jobs:
            if self.left == 0:
                raise CutOff
            self.left -= 1
            yield function(work, job)


def instances_in_blocks(probability: np.ndarray, settings: InstanceSettings, side: int, folder: Path) -> np.ndarray:
    """Return the instances (H, W) of a probability, computed block by block."""
    work = Work(
        image=ArrayImage(probability),
        folder=folder,
        grid=Grid(1, *probability.shape, side=side),
        settings=settings,
        bundle="",
        model=None,
        safe=False,
        overrides=(),
        statistics=Statistics((0.0,), (1.0,)),
        bright=False,
        largest_cut=10**9,
    )
    create(work)
    zarr.open_array(work.probability.path)[:] = probability
    after_the_network = [stage for stage in stages(work) if stage.name != "network"]
    for stage in after_the_network:
        for job in stage.jobs(work):
            stage.function(work, job)
            assert stage.is_done(work, job), stage.name
    return zarr.open_array(work.labels.path)[:]


def small_bundle(
    folder: Path, channels: tuple[int, ...] = (4, 8, 16), in_channels: int = 1, seed: int = 3, **settings: Any
) -> Path:
    """Write a bundle with random weights, the same whatever ran before."""
    torch.manual_seed(seed)
    network = UNet(in_channels, channels=channels, norm="batch")
    save_state(network.state_dict(), folder / "models" / "model.pt")
    values = {"channels": channels, "in_channels": in_channels, "amp": False, "roi_size": 124, **settings}
    write_bundle(find_bundle(), folder, values)
    return folder


def write_noise(folder: Path, height: int, width: int) -> Path:
    """Write smooth noise (height, width), uint16, as an OME-Zarr, and return its path."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(height, width)), 3)
    array = (30000 + noise / noise.std() * 5000).astype(np.uint16)
    return write_ome_zarr(folder / "a.zarr", array, "yx", "0.5")


def write_ome_zarr(path: Path, array: np.ndarray, axes: str, version: str, chunks: int = 50) -> Path:
    """Write an OME-Zarr image of one level, with the metadata of a version ("0.1", "0.4" or "0.5")."""
    kinds = {"t": "time", "c": "channel"}
    dataset: dict[str, Any] = {"path": "0"}
    multiscale: dict[str, Any] = {"version": version, "datasets": [dataset]}
    if version != "0.1":
        multiscale["axes"] = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
        scale = [0.5 if axis in "yx" else 1.0 for axis in axes]
        dataset["coordinateTransformations"] = [{"type": "scale", "scale": scale}]
    zarr_format = 3 if version == "0.5" else 2
    metadata = {"multiscales": [multiscale]}
    attributes = {"ome": {"version": version, **metadata}} if version == "0.5" else metadata
    zarr.create_group(path, zarr_format=zarr_format, attributes=attributes)
    zarr.create_array(
        path / "0", data=array, chunks=tuple(min(side, chunks) for side in array.shape), zarr_format=zarr_format
    )
    return path


def same_objects(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two instance maps are equal up to renumbering."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and bool(((one > 0) == (other > 0)).all())
