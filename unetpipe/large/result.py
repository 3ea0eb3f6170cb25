"""The result: an OME-Zarr image of probabilities with the instances as its labels, each with its pyramid.

References
----------
Next-generation file formats, version 0.5: multiscales metadata and image-label metadata.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from unetpipe.io.derived import ZARR_KEY
from unetpipe.large.blocks import Block, Grid, Region
from unetpipe.large.images import LazyImage
from unetpipe.large.work import PagedArray, Work

VERSION = "0.5"
SMALLEST_LEVEL = 512  # px; the pyramid ends where the longer side is at most this
SCRATCH = ("components", "parts", "numbered")
TYPES = {"t": "time", "z": "space", "y": "space", "x": "space"}


def levels(grid: Grid) -> list[Grid]:
    """Return the grids of the pyramid's levels, the full resolution first; each halves the sides, rounded up."""
    result = [grid]
    while max(result[-1].height, result[-1].width) > SMALLEST_LEVEL:
        above = result[-1]
        result.append(Grid(grid.pages, math.ceil(above.height / 2), math.ceil(above.width / 2), grid.side))
    return result


def create(work: Work) -> None:
    """Make the empty arrays and the metadata of the result, and the intermediate arrays."""
    pyramid = levels(work.grid)
    probability = multiscales(work.image, "probability", len(pyramid), centred=True)
    instances = multiscales(work.image, "cells", len(pyramid), centred=False)
    instances["image-label"] = {"source": {"image": "../../"}}
    for folder, ome, dtype in (("", probability, "float32"), ("labels/cells", instances, "int32")):
        zarr.create_group(work.result / folder, attributes={"ome": ome})
        for level, grid in enumerate(pyramid):
            _create_array(work.result / folder / str(level), work, grid, dtype)
    zarr.create_group(work.result / "labels", attributes={"ome": {"version": VERSION, "labels": ["cells"]}})
    for name in SCRATCH:
        _create_array(work.scratch(name).path, work, work.grid, "int32")


def multiscales(image: LazyImage, name: str, count: int, centred: bool) -> dict[str, Any]:
    """Return OME metadata of a pyramid.

    Parameters
    ----------
    image : LazyImage
        The image that has the pixel size.
    name : str
        Name of the pyramid.
    count : int
        Number of levels.
    centred : bool
        True if a pixel of a level is the mean of 2 × 2 finer ones and lies in their middle; False if it is the first
        of them.
    """
    kept = [axis for axis in image.axes if axis != "c"]
    axes = [
        {"name": axis, "type": TYPES[axis], **({"unit": unit} if unit else {})}
        for axis, unit in zip(kept, image.units, strict=True)
    ]
    datasets = []
    for level in range(count):
        factor = 2**level
        factors = [factor if axis in "yx" else 1 for axis in kept]
        steps: list[dict[str, Any]] = [
            {"type": "scale", "scale": [unit * times for unit, times in zip(image.scale, factors, strict=True)]}
        ]
        if centred and level > 0:
            shift = [unit * (times - 1) / 2 for unit, times in zip(image.scale, factors, strict=True)]
            steps.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    return {"version": VERSION, "multiscales": [{"name": name, "axes": axes, "datasets": datasets}]}


def level_arrays(work: Work, level: int) -> tuple[PagedArray, PagedArray]:
    """Return the probabilities and the instances of a level."""
    leading = len(work.image.page_shape)
    return (
        PagedArray(work.result / str(level), leading),
        PagedArray(work.result / "labels" / "cells" / str(level), leading),
    )


def write_level(level: int, work: Work, block: Block) -> None:
    """Write a block of a level from the finer one: means of probabilities, and every second pixel of instances."""
    above, grid = levels(work.grid)[level - 1 : level + 1]
    region = grid.region(block)
    source = Region(
        2 * region.top,
        2 * region.left,
        min(2 * region.bottom, above.height),
        min(2 * region.right, above.width),
    )
    (probability, instances), (finer, finer_instances) = level_arrays(work, level), level_arrays(work, level - 1)
    probability.write(block.page, region, halved(finer.read(block.page, source)))
    instances.write(block.page, region, finer_instances.read(block.page, source)[::2, ::2])


def halved(values: np.ndarray) -> np.ndarray:
    """Return the means of 2 × 2 pixels of (h, w); at an odd border, of fewer."""
    height, width = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2)), mode="edge")
    return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3), dtype=np.float32)


def publish(work: Work, target: Path, attributes: dict[str, Any]) -> None:
    """Give the finished result its name, replacing an older one, and remove the work folder."""
    for leftover in work.result.rglob("*.partial"):  # of a process that was killed while it wrote
        leftover.unlink()
    zarr.open_group(work.result, mode="r+").attrs[ZARR_KEY] = attributes
    if target.exists():
        os.replace(target, work.folder / "replaced")
    os.replace(work.result, target)
    shutil.rmtree(work.folder)


def published(target: Path) -> dict[str, Any]:
    """Return what :func:`publish` noted in a result.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If the folder is not a result.
    """
    return dict(zarr.open_group(target, mode="r").attrs[ZARR_KEY])  # type: ignore[arg-type]


def is_whole(work: Work, target: Path) -> bool:
    """Return whether every chunk of a published result of this image can be read; its blocks may have another size."""
    leading = len(work.image.page_shape)
    for array in (target, target / "labels" / "cells"):
        # one side of a chunk is that of the blocks, unless the whole image is smaller
        side = max(zarr.open_array(array / "0", mode="r").chunks[-2:])
        for level, grid in enumerate(levels(replace(work.grid, side=side))):
            pages = PagedArray(array / str(level), leading)
            if not all(pages.is_complete(block.page, grid.region(block)) for block in grid.blocks()):
                return False
    return True


def disk_bytes(grid: Grid) -> int:
    """Return the bytes that the result's probabilities take at most, with their pyramid."""
    return sum(4 * level.pages * level.height * level.width for level in levels(grid))


def _create_array(path: Path, work: Work, grid: Grid, dtype: str) -> None:
    leading: Sequence[int] = work.image.page_shape
    zarr.create_array(
        path,
        shape=(*leading, grid.height, grid.width),
        chunks=(*(1 for _ in leading), min(grid.side, grid.height), min(grid.side, grid.width)),
        dtype=dtype,
        compressors=ZstdCodec(level=1, checksum=True),
        dimension_names=[axis for axis in work.image.axes if axis != "c"],
        fill_value=0,
    )
