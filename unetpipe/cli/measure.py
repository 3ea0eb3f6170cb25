"""``unetpipe measure``: what masks say in the units of their readers, as a table and, of cells, a picture."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from unetpipe.datasets import find_records, read_truth
from unetpipe.datasets.images import MaskMatcher
from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.io.formats import image_stem, images_in, is_nifti
from unetpipe.io.images import count_pages, read_labels, write_picture
from unetpipe.io.tables import write_csv
from unetpipe.metrics import within_known
from unetpipe.morphometry import CellMosaic, measure_mosaic, measure_volume
from unetpipe.report.pictures import draw_mosaic

Tables = dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]  # file: columns, rows


class LabelMap(NamedTuple):
    """A page of a mask, or its truth: what tables call it, which of both it is, and its picture's stem."""

    mask: str
    of: str
    picture: str
    labels: np.ndarray


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser(
        "measure",
        help="measure masks: density and shape of a mosaic of cells; areas and volume of a NIfTI mask",
        description="Of a mask of cells: density, coefficient of variation of the area, share of hexagons, and a "
        "picture coloured by the number of neighbours. Of a NIfTI mask: area of each slice and volume.",
    )
    parser.add_argument(
        "masks", type=Path, help="a mask or a folder of masks (no folders in it), as unetpipe segment writes them"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables and pictures")
    parser.add_argument("--pixel-size", type=float, help="of masks of cells, in micrometres; without it in pixels")
    parser.add_argument(
        "--truth",
        type=Path,
        help="data set of these masks: its cells are measured too, both where they are annotated; matched by names",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure every mask, printing a line each; only when all are measured, write tables and pictures."""
    if not options.masks.exists():
        raise InputError(f"There is no mask or folder {options.masks}.")
    if options.pixel_size is not None and not (math.isfinite(options.pixel_size) and options.pixel_size > 0):
        raise InputError(f"--pixel-size {options.pixel_size} must be a finite number above 0.")
    masks = images_in(options.masks) if options.masks.is_dir() else [options.masks]
    if not masks:
        raise InputError(f"{options.masks} holds no mask (TIFF, PNG or NIfTI).")
    check_folder(options.output)
    volumes = [mask for mask in masks if is_nifti(mask)]
    cells = [mask for mask in masks if mask not in volumes]
    if not cells and (options.truth is not None or options.pixel_size is not None):
        raise InputError(
            f"{options.masks} holds NIfTI volumes alone, which state their spacing and are measured without truth; "
            "leave out --truth and --pixel-size."
        )
    matcher = _matcher(options.truth, cells)
    tables = {**_measure_volumes(volumes), **_measure_cells(cells, matcher, options.pixel_size)}
    for name, (columns, rows) in tables.items():
        write_csv(options.output / name, columns, rows)
    for found in _label_maps(cells, matcher):  # read anew: the pictures of all would not fit the memory
        write_picture(options.output / f"{found.picture}.png", Image.fromarray(draw_mosaic(found.labels)))
    print(f"Tables: {options.output}")


def _matcher(truth: Path | None, masks: list[Path]) -> MaskMatcher:
    """Return what finds the records of masks; InputError if it finds that of none."""
    if truth is None:
        return MaskMatcher([])
    records = find_records(truth)
    matcher = MaskMatcher(records)
    without = [mask for mask in masks if matcher.find(mask) is None]
    if len(without) == len(masks):
        raise InputError(
            f"No mask in {masks[0].parent} has the name of one of {truth}: there is {masks[0].name}, "
            f"it would have to be such as {records[0]['mask_name']}."
        )
    if without:
        print(f"Without truth: {len(without)} of {len(masks)} masks, such as {without[0].name}")
    return matcher


def _measure_volumes(masks: list[Path]) -> Tables:
    slices, volumes = [], []
    for mask in masks:
        measure = measure_volume(mask)
        slices += [(mask.name, number, float(area)) for number, area in enumerate(measure.areas)]
        volumes.append((mask.name, measure.volume))
        print(f"{mask.name}: {measure.volume:.1f} ml in {len(measure.areas)} slices")
    if not masks:
        return {}
    return {
        "slices.csv": (("mask", "slice", "area_mm2"), slices),
        "volumes.csv": (("mask", "volume_ml"), volumes),
    }


def _measure_cells(masks: list[Path], matcher: MaskMatcher, pixel_size: float | None) -> Tables:
    rows = []
    for found in _label_maps(masks, matcher):
        said = found.mask if found.of == "mask" else f"{found.mask}, truth"
        rows.append((found.mask, found.of, *_say(said, measure_mosaic(found.labels, pixel_size))))
    return {"cells.csv": (("mask", "of", *CellMosaic._fields), rows)} if masks else {}


def _label_maps(masks: list[Path], matcher: MaskMatcher) -> Iterator[LabelMap]:
    """Read the pages of masks, each after its truth if it has one and cut to where that is known."""
    for mask in masks:
        pages = count_pages(mask)
        for page in range(pages):
            name, stem = mask.name, image_stem(mask)
            if pages > 1:
                name, stem = f"{name}, page {page}", f"{stem}_{page:03d}"
            labels = read_labels(mask, page if pages > 1 else None)
            record = matcher.find(mask, page)
            if record is not None:
                true, known = read_truth(record)
                if true.shape != labels.shape:
                    raise InputError(
                        f"{mask} is {labels.shape[0]}×{labels.shape[1]} pixels (height × width), its truth "
                        f"{record['label']} is {true.shape[0]}×{true.shape[1]}; they must be alike."
                    )
                labels = within_known(true, labels, known)[1]
                yield LabelMap(name, "truth", f"{stem}_truth", true)
            yield LabelMap(name, "mask", f"{stem}_neighbours", labels)


def _say(name: str, found: CellMosaic) -> CellMosaic:
    density = "" if found.density is None else f", {found.density:.0f} a mm²"
    variation, hexagonal = ("–" if value is None else f"{value:.1%}" for value in (found.variation, found.hexagonal))
    print(f"{name}: {found.cells} cells{density}, variation of the area {variation}, hexagonal {hexagonal}")
    return found
