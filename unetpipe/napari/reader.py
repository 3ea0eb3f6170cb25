"""Open what ``unetpipe segment --large`` wrote: cells as labels, and the probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pandas
import zarr
from pint import get_application_registry

from unetpipe.large.images import OmeZarrImage
from unetpipe.large.result import published

NEAR = 4  # folders above a result in which its table may lie

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the function that reads a result; None if the path is something else, which other plugins may read."""
    if not isinstance(path, str):
        return None
    try:
        published(Path(path))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return read_result


def read_result(path: str) -> list[LayerData]:
    """Return the layers of a result: the probability, which is not shown at first, and the cells.

    The features of the cells are their rows in ``cells.csv``, which ``--tables`` writes. If there is a table, ids
    continue from page to page, so that each is one cell. A result without a pyramid is read into memory, so it can be
    corrected.

    Raises
    ------
    InputError
        If the result is damaged.
    """
    image = OmeZarrImage(path)
    place = {
        "scale": image.scale,
        "axis_labels": tuple(image.axes),
        "units": tuple(unit if unit and unit in get_application_registry() else "pixel" for unit in image.units),
    }
    table = _table(image)
    cells = _levels(image.path / "labels" / "cells")
    features = {}
    if table is not None:
        highest = np.zeros(image.pages, np.int64)
        pages = table["page"].to_numpy() if "page" in table else np.zeros(len(table), np.int64)
        np.maximum.at(highest, pages, table["id"].to_numpy())
        last = np.cumsum(highest) - highest
        features = {"index": table["id"] + last[pages], "confidence": table["confidence"], **table}
        if image.pages > 1:
            offset = last.astype(np.int32).reshape(*image.page_shape, 1, 1)
            cells = [(level + offset) * (level > 0) for level in cells]
    probability = {
        "name": f"{image.name} probability",
        "contrast_limits": (0, 1),
        "colormap": "magma",
        "visible": False,
    }
    return [
        (_layer_data(_levels(image.path)), {**place, **probability}, "image"),
        (_layer_data(cells), {**place, "name": f"{image.name} cells", "features": features}, "labels"),
    ]


def _levels(group: Path) -> list[dask.array.Array]:
    """Return the arrays of a pyramid, the finest first."""
    ome: Any = zarr.open_group(group, mode="r").attrs["ome"]
    return [dask.array.from_zarr(str(group / level["path"])) for level in ome["multiscales"][0]["datasets"]]


def _layer_data(levels: list[dask.array.Array]) -> Any:
    return levels if len(levels) > 1 else levels[0].compute()


def _table(image: OmeZarrImage) -> pandas.DataFrame | None:
    """Return the rows of a result in the nearest ``cells.csv`` above it; None if there are none."""
    for folder in list(image.path.parents)[:NEAR]:
        if (folder / "cells.csv").is_file():
            table = pandas.read_csv(folder / "cells.csv", dtype={"image": str})
            name = (image.path.parent.relative_to(folder) / image.name).as_posix()
            rows = table[table["image"] == name].drop(columns="image").reset_index(drop=True)
            return rows if len(rows) and "confidence" in rows else None
    return None
