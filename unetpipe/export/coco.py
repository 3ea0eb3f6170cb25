"""Cells as COCO JSON: ``coco.json`` of all pages, with masks as run lengths, which hold holes and pieces exactly.

References
----------
T.-Y. Lin et al.: Microsoft COCO, ECCV 2014; data format at cocodataset.org and in ``pycocotools``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from unetpipe.files import replacing
from unetpipe.morphometry.cells import LabelledPage, cell_masks

CATEGORY = {"id": 1, "name": "cell"}


def write(folder: Path, pages: Iterable[LabelledPage]) -> list[Path]:
    """Write the cells of all pages into one file; see :func:`unetpipe.export.export_cells`.

    An annotation has the cell's id in the mask as ``cell_id``; its own ``id`` counts all cells of the file. An image
    that is a page of a file has its number, from 0, as ``page``.
    """
    path = folder / "coco.json"
    images: list[dict[str, Any]] = []
    annotations = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'{{"info": {{}}, "licenses": [], "categories": [{json.dumps(CATEGORY)}], "annotations": [')
        for page in pages:
            image: dict[str, Any] = {"id": len(images) + 1, "file_name": page.image}
            image |= {"height": page.size[0], "width": page.size[1]}
            images.append(image if page.page is None else {**image, "page": page.page})
            for cutout in page.cutouts():
                for cell, top, left, mask in cell_masks(cutout):
                    annotations += 1
                    annotation = {
                        "id": annotations,
                        "image_id": image["id"],
                        "category_id": CATEGORY["id"],
                        "cell_id": cell,
                        "segmentation": {"size": list(page.size), "counts": _counts(mask, top, left, page.size)},
                        "area": int(mask.sum()),
                        "bbox": [left, top, mask.shape[1], mask.shape[0]],
                        "iscrowd": 0,
                    }
                    file.write((",\n" if annotations > 1 else "\n") + json.dumps(annotation))
        file.write(f'\n], "images": {json.dumps(images, ensure_ascii=False)}}}\n')
    return [path]


def _counts(mask: np.ndarray, top: int, left: int, size: tuple[int, int]) -> list[int]:
    """Return the lengths of the runs outside and inside, in turn, down the columns of the whole page."""
    columns, rows = np.nonzero(mask.T)
    pixels = (left + columns) * size[0] + top + rows
    breaks = np.flatnonzero(np.diff(pixels) != 1)
    starts = pixels[np.append(0, breaks + 1)]
    ends = pixels[np.append(breaks, len(pixels) - 1)] + 1
    changes = np.column_stack([starts, ends]).ravel()
    counts = np.diff(changes, prepend=0, append=size[0] * size[1])
    return counts[: len(counts) - (counts[-1] == 0)].tolist()
