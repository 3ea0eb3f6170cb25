"""Label maps with everything that an export can get wrong, and polygons drawn back to masks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.draw import polygon2mask

from unetpipe.io.track_tables import Track
from unetpipe.morphometry import LabelledPage

small_maps = arrays(
    np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0, 0, 1, 1, 2, 300])
)


def draw(polygons: Iterable[Iterable[np.ndarray]], shape: tuple[int, int]) -> np.ndarray:
    """Draw polygons, rings of corners (x, y), by the rule that a pixel is inside if its centre is."""
    mask = np.zeros(shape, bool)
    for rings in polygons:
        for ring in rings:  # inside an odd number of rings
            mask ^= polygon2mask(shape, np.asarray(ring)[:, ::-1] - 0.5)
    return mask


def odd_cells() -> np.ndarray:
    """(40, 60): cells at edges and corners, of one pixel, with holes, in pieces, with an island in a hole."""
    labels = np.zeros((40, 60), np.int32)
    labels[0, 0] = 1  # a pixel in the corner
    labels[20, 30] = 2  # a pixel inside
    labels[0:8, 50:60] = 3  # in the corner
    labels[5:15, 5:15] = 4
    labels[8:11, 8:11] = 0  # a hole
    labels[12, 12] = 0
    labels[13, 13] = 0  # holes that meet in a corner
    labels[9, 9] = 5  # an island
    labels[25:30, 5:9] = 6
    labels[33:36, 12:20] = 6  # two pieces
    labels[25, 40] = labels[26, 41] = 7  # pieces that meet in a corner
    labels[30:40, 30:50] = 65535
    labels[5:7, 14] = 0  # at the edge of 4
    labels[32:38, 29:32] = 8  # touches 65535
    labels[16, 20:29] = 9  # a line of one pixel
    labels[6, 5] = 0
    labels[5, 6] = 0  # leaves (5, 5), which meets 4 in a corner only
    return labels


def all_ids() -> np.ndarray:
    """(256, 512): 65,535 ids, most of one pixel, a few of two."""
    labels = np.zeros((256, 512), np.int32)
    labels[:, ::2] = np.arange(256 * 256).reshape(256, 256)
    labels[::5, 1::2] = labels[::5, ::2]
    return labels


def odd_pages() -> list[LabelledPage]:
    """Single images (empty, one cell, odd cells, names with spaces and umlauts), and a linked stack of two pages."""
    empty, one = np.zeros((20, 30), np.int32), np.zeros((20, 30), np.int32)
    one[3:6, 4:9] = 12
    tracks = {12: Track(12, 0, 0), 13: Track(13, 1, 1, 12), 14: Track(14, 1, 1, 12)}
    divided = np.where(one > 0, 13, 0)
    divided[4, 4:9] = 14
    single = {
        "empty": empty,
        "one": one,
        "Zellen für Übung 1": odd_cells(),
    }
    pages = [LabelledPage.in_memory(labels, f"{name}.tif", name=name, stack=name) for name, labels in single.items()]
    for frame, labels in enumerate((one, divided)):
        names = {"name": f"01/t{frame:03d}", "stack": "01"}
        page = LabelledPage.in_memory(labels, f"01/t{frame:03d}.tif", page=frame, tracks=tracks, **names)
        pages.append(page)
    return pages


def page_labels(page: LabelledPage) -> np.ndarray:
    """Return the label map of a page in memory."""
    (cutout,) = page.cutouts()
    return cutout.labels
