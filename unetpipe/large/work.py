"""A running segmentation: what is computed, how, and the folder that keeps what is complete.

The folder ``.NAME.work`` next to the result holds ``plan.json``, the unfinished result, intermediate arrays,
and one small file for each block and stage. A file gets its name only when it is complete, so a run that was killed
can be continued: each stage computes the blocks whose file is missing or cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr

from unetpipe.files import remember, replacing
from unetpipe.instances import InstanceSettings
from unetpipe.large.blocks import Block, Grid, Region
from unetpipe.large.images import LazyImage


class Statistics(NamedTuple):
    """What a page is normalised by.

    ``mean`` and ``deviation`` have a number for each channel. ``sign`` is -1 if the page's objects are dark, so that
    NormalizeBrightd negates it.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    sign: int = 1


@dataclass(frozen=True)
class Work:
    """Everything that a process needs to compute a block. It is small, and the same in all processes.

    Attributes
    ----------
    image : LazyImage
        The image that is segmented.
    folder : Path
        The work folder, absolute.
    grid : Grid
        The blocks.
    settings : InstanceSettings
        How the probability becomes cells.
    bundle, model, safe, overrides
        The bundle's folder, one of its models by name, whether only weights and plain values of it are used, and values
        for keys of its ``inference.json`` (pairs).
    statistics : Statistics, optional
        What every page is normalised by; by default each page's own.
    bright : bool
        Whether pages are normalised as :class:`unetpipe.transforms.NormalizeBrightd` does, else only by mean and
        standard deviation.
    largest_cut : int
        Pixels of the largest region that may be cut between markers in one piece.
    """

    image: LazyImage
    folder: Path
    grid: Grid
    settings: InstanceSettings
    bundle: str
    model: str | None
    safe: bool
    overrides: tuple[tuple[str, Any], ...]
    statistics: Statistics | None
    bright: bool
    largest_cut: int

    @property
    def result(self) -> Path:
        """The OME-Zarr under construction."""
        return self.folder / "result.ome.zarr"

    @property
    def probability(self) -> PagedArray:
        """Probability of "cell", float32."""
        return PagedArray(self.result / "0", len(self.image.page_shape))

    @property
    def labels(self) -> PagedArray:
        """The final instances, int32."""
        return PagedArray(self.result / "labels" / "cells" / "0", len(self.image.page_shape))

    def scratch(self, name: str) -> PagedArray:
        """An intermediate array, int32: "components", "parts" or "numbered"."""
        return PagedArray(self.folder / f"{name}.zarr", len(self.image.page_shape))

    def mask(self, block: Block) -> np.ndarray:
        """Return which pixels of a block are cell before holes are filled."""
        return self.probability.read(block.page, self.grid.region(block)) > self.settings.threshold

    def file(self, stage: str, name: object) -> Path:
        """Return the file that keeps what a stage found out about a block or page."""
        return self.folder / stage / f"{name}.npz"

    def save(self, stage: str, name: object, **arrays: Any) -> None:
        """Keep small arrays in a file, which gets its name when it is complete."""
        with replacing(self.file(stage, name)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    def load(self, stage: str, name: object) -> Mapping[str, np.ndarray]:
        """Return what was kept."""
        return read_arrays(self.file(stage, name))

    def table(self, stage: str, page: int) -> Mapping[str, np.ndarray]:
        """Return what was kept about a page; many blocks ask for it, so it is read once a process and version."""
        return _table(self.file(stage, page))

    def is_kept(self, stage: str, name: object) -> bool:
        """Return whether the file exists and is complete."""
        try:
            self.load(stage, name)
        except Exception:  # missing, or cut off by a power failure: the zip file's and numpy's errors
            return False
        return True


@dataclass(frozen=True)
class PagedArray:
    """A Zarr array whose axes are pages (``leading`` of them), y and x."""

    path: Path
    leading: int

    def read(self, page: int, region: Region) -> np.ndarray:
        """Read (h, w)."""
        return np.asarray(self._array()[self._index(page, region)])

    def write(self, page: int, region: Region, values: np.ndarray) -> None:
        """Write (h, w); each chunk appears when complete."""
        self._array()[self._index(page, region)] = values

    def is_complete(self, page: int, region: Region) -> bool:
        """Return whether the chunk that holds a block exists and can be decoded (each has a checksum)."""
        array = self._array()
        index = self._index(page, region)
        chunk = tuple(
            (place if isinstance(place, int) else place.start) // side
            for place, side in zip(index, array.chunks, strict=True)
        )
        if not (self.path / array.metadata.encode_chunk_key(chunk)).is_file():
            return False
        try:
            self.read(page, region)
        except Exception:  # each codec has its own
            return False
        return True

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        return self._array().shape

    def _index(self, page: int, region: Region) -> tuple[int | slice, ...]:
        lead = self._array().shape[: self.leading]
        return (
            *(int(place) for place in np.unravel_index(page, lead or (1,))[: self.leading]),
            region.rows,
            region.columns,
        )

    def _array(self) -> zarr.Array:
        return _open(self.path)


def read_arrays(path: Path) -> Mapping[str, np.ndarray]:
    """Read the arrays of a file by name."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


_table = remember(maxsize=4)(read_arrays)


@remember(maxsize=32, changes=lambda array: array / "zarr.json")
def _open(path: Path) -> zarr.Array:
    """Open an array to read and write."""
    array = zarr.open_array(path, mode="r+")
    # a chunk that is 0 throughout is written too: its file says that it is complete
    return array.with_config({"write_empty_chunks": True})
