"""Tracks as a graph in the exchange format GEFF: ``NAME.geff``, which napari and tracking libraries open.

References
----------
The graph exchange file format, version 1, by ``geff``: a node is a cell in a frame, an edge leads on in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np
from geff import GeffMetadata
from geff.core_io import write_arrays
from geff_spec import Axis

from unetpipe.errors import InputError
from unetpipe.files import replacing_folder
from unetpipe.io.track_tables import Track
from unetpipe.morphometry.cells import Columns, LabelledPage, measure_cutout


def write(folder: Path, pages: Iterable[LabelledPage]) -> list[Path]:
    """Write the tracks of each sequence into one folder; see :func:`unetpipe.export.export_cells`.

    A node has ``t`` (frame), ``y``, ``x`` (centroid in pixels), ``area`` (pixels) and ``track``, which is the cell's
    id in the mask. Edges join the cells of a track, and the last cell of a parent with the first of each daughter.

    Raises
    ------
    InputError
        If the cells of a sequence are not linked.
    """
    written = []
    for stack, its_pages in groupby(pages, key=lambda page: page.stack):
        found: list[Columns] = []
        tracks: Mapping[int, Track] = {}
        scale = None
        for page in its_pages:
            if page.tracks is None or page.page is None:
                raise not_linked(page.image)
            tracks, scale = page.tracks, page.pixel_size
            for cutout in page.cutouts():
                columns = measure_cutout(page, cutout)
                found.append({**columns, "t": np.full(len(columns["id"]), page.page)})
        path = folder / f"{stack}.geff"
        with replacing_folder(path) as temporary:
            _write_graph(temporary, found, tracks, scale)
        written.append(path)
    return written


def not_linked(image: str) -> InputError:
    """Return the error that the cells of an image are not linked."""
    return InputError(
        f"The cells of {image} are not linked, so there are no tracks to export as GEFF; link the masks of a sequence "
        "first, with unetpipe link."
    )


def _write_graph(path: Path, found: list[Columns], tracks: Mapping[int, Track], scale: float | None) -> None:
    names = {"t": "t", "y": "centroid_y", "x": "centroid_x", "area": "area", "track": "id"}
    nodes = {name: np.concatenate([columns[source] for columns in found]) for name, source in names.items()}
    order = np.lexsort((nodes["t"], nodes["track"]))
    nodes = {name: values[order] for name, values in nodes.items()}
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    edges = []
    for node, track in enumerate(nodes["track"].tolist()):
        if track in last:
            edges.append((last[track], node))
        first.setdefault(track, node)
        last[track] = node
    for track in tracks.values():
        if track.parent in last and track.label in first:
            edges.append((last[track.parent], first[track.label]))
    space = {} if scale is None else {"scale": scale, "scaled_unit": "micrometer"}
    metadata = GeffMetadata(
        directed=True,
        axes=[
            Axis(name="t", type="time", unit="frame"),
            Axis(name="y", type="space", unit="pixel", **space),
            Axis(name="x", type="space", unit="pixel", **space),
        ],
        node_props_metadata={},
        edge_props_metadata={},
    )
    write_arrays(
        path,
        node_ids=np.arange(len(order), dtype=np.uint64),
        node_props={name: {"values": values, "missing": None} for name, values in nodes.items()},
        edge_ids=np.array(edges, np.uint64).reshape(-1, 2),
        edge_props={},
        metadata=metadata,
    )
