"""``unetpipe measure``: what masks say in the units of their readers, as a table and, of cells, a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unetpipe.data import find_records, read_truth
from unetpipe.data.formats import image_stem, images_in, is_nifti
from unetpipe.data.io import read_labels, write_picture
from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.metrics import within_known
from unetpipe.morphometry import CellMosaic, measure_mosaic, measure_volume
from unetpipe.report.mosaic import draw_mosaic
from unetpipe.report.tables import write_csv


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser(
        "measure",
        help="measure masks: density and shape of a mosaic of cells; areas and volume of a NIfTI mask",
        description="Of a mask of cells: density, coefficient of variation of the area, share of hexagons, and a "
        "picture coloured by the number of neighbours. Of a NIfTI mask: area of each slice and volume.",
    )
    parser.add_argument("masks", type=Path, help="a mask or a folder of masks, as unetpipe segment writes them")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables and pictures")
    parser.add_argument("--pixel-size", type=float, help="of masks of cells, in micrometres; without it in pixels")
    parser.add_argument(
        "--truth", type=Path, help="data set of these masks: its cells are measured too, both where they are annotated"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure each mask, print a line and write tables and pictures."""
    if not options.masks.exists():
        raise InputError(f"There is no mask or folder {options.masks}.")
    if options.pixel_size is not None and options.pixel_size <= 0:
        raise InputError(f"--pixel-size {options.pixel_size} must be positive.")
    masks = images_in(options.masks) if options.masks.is_dir() else [options.masks]
    if not masks:
        raise InputError(f"{options.masks} holds no mask (TIFF, PNG or NIfTI).")
    check_folder(options.output)
    volumes = [mask for mask in masks if is_nifti(mask)]
    if volumes:
        _measure_volumes(volumes, options.output)
    cells = [mask for mask in masks if mask not in volumes]
    if cells:
        truth = {} if options.truth is None else {record["mask_name"]: record for record in find_records(options.truth)}
        _measure_cells(cells, options.output, options.pixel_size, truth)
    print(f"Tables: {options.output}")


def _measure_volumes(masks: list[Path], output: Path) -> None:
    slices, volumes = [], []
    for mask in masks:
        measure = measure_volume(mask)
        slices += [(mask.name, number, float(area)) for number, area in enumerate(measure.areas)]
        volumes.append((mask.name, measure.volume))
        print(f"{mask.name}: {measure.volume:.1f} ml in {len(measure.areas)} slices")
    write_csv(output / "slices.csv", ("mask", "slice", "area_mm2"), slices)
    write_csv(output / "volumes.csv", ("mask", "volume_ml"), volumes)


def _measure_cells(masks: list[Path], output: Path, pixel_size: float | None, truth: dict[str, dict[str, Any]]) -> None:
    rows = []
    for mask in masks:
        labels = read_labels(mask)
        if mask.name in truth:
            true, known = read_truth(truth[mask.name])
            labels = within_known(true, labels, known)[1]
            rows.append((mask.name, "truth", *_say(f"{mask.name}, truth", measure_mosaic(true, pixel_size))))
            _draw(true, output / f"{image_stem(mask)}_truth.png")
        rows.append((mask.name, "mask", *_say(mask.name, measure_mosaic(labels, pixel_size))))
        _draw(labels, output / f"{image_stem(mask)}_neighbours.png")
    write_csv(output / "cells.csv", ("mask", "of", *CellMosaic._fields), rows)


def _draw(labels: np.ndarray, path: Path) -> None:
    write_picture(path, Image.fromarray(draw_mosaic(labels)))


def _say(name: str, found: CellMosaic) -> CellMosaic:
    density = "" if found.density is None else f", {found.density:.0f} a mm²"
    variation, hexagonal = ("–" if value is None else f"{value:.1%}" for value in (found.variation, found.hexagonal))
    print(f"{name}: {found.cells} cells{density}, variation of the area {variation}, hexagonal {hexagonal}")
    return found
