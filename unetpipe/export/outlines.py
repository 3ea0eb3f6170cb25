"""Pictures to look at: the image of each page with the outlines of its cells, ``outlines/NAME_outlines.png``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.io.images import write_picture
from unetpipe.morphometry.cells import LabelledPage
from unetpipe.report.pictures import draw_outlines

FOLDER = "outlines"  # beside masks, or with their names, pictures would be taken for masks


def write(folder: Path, pages: Iterable[LabelledPage]) -> list[Path]:
    """Draw the cells of each page; see :func:`unetpipe.export.export_cells`.

    The image is stretched between its 1st and 99th percentile (:func:`unetpipe.report.draw_outlines`). The background
    is black if the image is not known.
    """
    written = []
    for page in pages:
        for cutout in page.cutouts():
            if cutout.labels.shape != page.size:
                raise InputError(
                    f"{page.image} is read in parts, so its outlines cannot be drawn; napari shows it with its cells."
                )
            pixels = np.zeros((1, *page.size), np.uint8) if cutout.pixels is None else cutout.pixels
            path = folder / FOLDER / f"{page.name}_outlines.png"
            write_picture(path, Image.fromarray(draw_outlines(pixels, cutout.labels)))
            written.append(path)
    return written
