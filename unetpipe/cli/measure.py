"""``unetpipe measure``: measure masks in physical units; write tables and, of cells, pictures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from unetpipe.cli.cells import (
    add_export_argument,
    check_exports,
    check_exports_of_masks,
    check_exports_of_parts,
    remove_old,
    write_cells,
)
from unetpipe.cli.options import add_channel, check_pixel_size
from unetpipe.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from unetpipe.datasets.images import MaskMatcher
    from unetpipe.morphometry import CellMosaic

Tables = dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]  # file: columns, rows


class LabelMap(NamedTuple):
    """A page of a mask, or its truth.

    Attributes
    ----------
    mask : str
        Its name in tables.
    of : {"mask", "truth"}
        Which of both it is.
    picture : str
        Stem of the file name of its picture.
    labels : ndarray
        (H, W), integer: the instance map.
    """

    mask: str
    of: str
    picture: str
    labels: np.ndarray


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.description = (
        "For a mask of cells: a table of its cells (cells.csv), density, coefficient of variation of the area and "
        "share of hexagons (mosaics.csv), and a picture coloured by the number of neighbours (NAME_neighbours.png). "
        "For an OME-Zarr: the table of its cells. For a NIfTI mask: area of each slice and volume."
    )
    parser.add_argument(
        "masks",
        metavar="MASKS",
        type=Path,
        help="a mask, or a folder of masks (without subfolders), as unetpipe segment or any other program writes them; "
        "or an OME-Zarr with labels",
    )
    parser.add_argument(
        "--images",
        metavar="DATA",
        type=Path,
        help="the images of these masks, matched by names: intensities are measured too (default: none)",
    )
    add_channel(parser)
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder for tables and pictures")
    parser.add_argument(
        "--pixel-size",
        metavar="MICROMETRES",
        type=float,
        help="pixel size of masks of cells (default: unknown, areas are in pixels)",
    )
    parser.add_argument(
        "--truth",
        metavar="DATA",
        type=Path,
        help="data set with the truth of these masks, matched by names: its cells are measured too, and all cells only "
        "where the data set is annotated (default: none)",
    )
    add_export_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Measure every mask and print a line for each; then write tables and pictures."""
    from PIL import Image

    from unetpipe.datasets.labelled_pages import find_mask_files, read_labelled_pages
    from unetpipe.datasets.layouts import check_outside_data, layout_of
    from unetpipe.files import check_apart, check_folder, writing
    from unetpipe.io.derived import CELLS, note_derived
    from unetpipe.io.formats import images_in, is_nifti
    from unetpipe.io.images import check_same_sizes, write_picture
    from unetpipe.io.journal import left_over
    from unetpipe.io.tables import write_csv
    from unetpipe.report.pictures import draw_mosaic

    if not options.masks.exists():
        raise InputError(f"There is no mask or folder {options.masks}.")
    check_exports(options.export)
    if options.channel is not None and options.images is None:
        raise InputError("--channel chooses a channel of --images, which are not given.")
    check_pixel_size(options.pixel_size)
    results = _zarrs(options.masks)
    if results:
        _measure_zarrs(results, options)
        return
    masks = images_in(options.masks) if options.masks.is_dir() else [options.masks]
    if not masks:
        layout = layout_of(options.masks)
        hint = "." if layout is None else f": it is a data set, {layout.DESCRIPTION}. Name a folder of masks."
        raise InputError(f"{options.masks} holds no mask (TIFF, PNG or NIfTI) itself{hint}")
    check_folder(options.output)
    volumes = [mask for mask in masks if is_nifti(mask)]
    cells = [mask for mask in masks if mask not in volumes]
    if not cells and (options.truth or options.images or options.export or options.pixel_size is not None):
        raise InputError(
            f"{options.masks} holds only NIfTI volumes, which state their spacing and are measured without truth; "
            "leave out --truth, --images, --export and --pixel-size."
        )
    found = find_mask_files(options.masks, options.images, channel=options.channel)
    check_exports_of_masks(options.export, found)
    places = {Path(record["image"]).parent: "images" for mask in found for record in mask.images if record is not None}
    if cells:
        check_apart(options.output, {**places, masks[0].parent: "masks"}, "pictures")
        check_outside_data(options.output, "pictures")
    for mask in found:
        for image in dict.fromkeys(record["image"] for record in mask.images if record is not None):
            check_same_sizes(mask.path, image)
    left = left_over(masks) if options.masks.is_dir() else None
    if left:
        print(f"Note: {left}")
    matcher = _matcher(options.truth, cells)
    tables = {**_measure_volumes(volumes), **_measure_cells(cells, matcher, options.pixel_size)}

    def begin() -> None:
        """Replace what was made of earlier masks."""
        remove_old(options.output, CELLS)
        for name, (columns, rows) in tables.items():
            write_csv(options.output / name, columns, rows)
        pictures = []
        for shown in _label_maps(cells, matcher):  # read again: all label maps together may not fit into memory
            pictures.append(options.output / f"{shown.picture}.png")
            write_picture(pictures[-1], Image.fromarray(draw_mosaic(shown.labels)))
        note_derived(options.output, CELLS, [*(options.output / name for name in tables), *pictures])

    with writing(options.output):
        if not found:
            begin()
        else:
            without = [mask.path.name for mask in found if not any(mask.images)]
            if options.images is not None and without:
                print(f"Without image: {len(without)} of {len(found)} masks, such as {without[0]}")
            write_cells(
                options.output,
                lambda: read_labelled_pages(found, options.pixel_size),
                options.export,
                before_writing=begin,
            )
        print(f"Tables: {options.output}")


def _zarrs(masks: Path) -> list[Path]:
    """Return ``masks`` if it is an OME-Zarr, else all OME-Zarr in this folder."""
    folders = [masks, *sorted(masks.iterdir())] if masks.is_dir() else []
    found = [folder for folder in folders if any((folder / name).is_file() for name in ("zarr.json", ".zgroup"))]
    return found[:1] if found[:1] == [masks] else found


def _measure_zarrs(results: list[Path], options: argparse.Namespace) -> None:
    """Write the table and exports of label images that are read part by part."""
    try:
        from unetpipe.large.cells import result_pages
        from unetpipe.large.images import find_large
    except ImportError as error:
        raise InputError(f'To measure OME-Zarr, pip install "unetpipe[large]" is needed ({error}).') from error
    from unetpipe.files import writing
    from unetpipe.io.derived import CELLS

    if options.truth is not None:
        raise InputError(f"{results[0]} is an OME-Zarr, which is measured without truth; leave out --truth.")
    if "geff" in options.export:
        raise InputError(f"{results[0]} is an OME-Zarr, whose cells are not linked; leave out --export geff.")
    check_exports_of_parts(options.export)
    images = {} if options.images is None else dict(find_large(options.images, force=True))
    named = {image.name: image.of_channel(options.channel) for image in images}
    names = {path: path.name.removesuffix(".zarr").removesuffix(".ome") for path in results}
    missing = [name for name in names.values() if images and name not in named]
    if missing:
        raise InputError(f"{options.images} has no image {missing[0]}; it has {', '.join(sorted(named)[:5])}.")
    for path, name in names.items():  # what is wrong with any of them is said before the first one is measured
        next(result_pages(path, named.get(name)), None)
    with writing(options.output):
        write_cells(
            options.output,
            lambda: chain.from_iterable(
                result_pages(path, named.get(name), options.pixel_size, name) for path, name in names.items()
            ),
            options.export,
            before_writing=partial(remove_old, options.output, CELLS),
        )


def _matcher(truth: Path | None, masks: list[Path]) -> MaskMatcher:
    """Return what finds the records of masks; InputError if no mask has a record."""
    from unetpipe.datasets import find_records
    from unetpipe.datasets.images import MaskMatcher

    if truth is None:
        return MaskMatcher([])
    records = find_records(truth)
    matcher = MaskMatcher(records)
    without = [mask for mask in masks if matcher.find(mask) is None]
    if len(without) == len(masks):
        raise InputError(
            f"No mask in {masks[0].parent} belongs to an image of {truth}: there is {masks[0].name}, "
            f"but names such as {records[0]['mask_name']} are expected."
        )
    if without:
        print(f"Without truth: {len(without)} of {len(masks)} masks, such as {without[0].name}")
    return matcher


def _measure_volumes(masks: list[Path]) -> Tables:
    from unetpipe.morphometry import measure_volume

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
    from unetpipe.morphometry import CellMosaic, measure_mosaic

    rows = []
    for found in _label_maps(masks, matcher):
        said = found.mask if found.of == "mask" else f"{found.mask}, truth"
        rows.append((found.mask, found.of, *_say(said, measure_mosaic(found.labels, pixel_size))))
    return {"mosaics.csv": (("mask", "of", *CellMosaic._fields), rows)} if masks else {}


def _label_maps(masks: list[Path], matcher: MaskMatcher) -> Iterator[LabelMap]:
    """Read the pages of masks. The truth of a page, if there is one, comes first; the page is cut to its known part."""
    from unetpipe.datasets import read_truth
    from unetpipe.datasets.masks import check_numbered
    from unetpipe.io.formats import image_stem
    from unetpipe.io.images import count_pages, read_labels
    from unetpipe.metrics import within_known

    for mask in masks:
        pages = count_pages(mask)
        for page in range(pages):
            name, stem = mask.name, image_stem(mask)
            if pages > 1:
                name, stem = f"{name}, page {page}", f"{stem}_{page:03d}"
            labels = read_labels(mask, page if pages > 1 else None)
            check_numbered(labels, mask)
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
    density = "" if found.density is None else f", {found.density:.0f} a mm² of the mosaic (not of the image)"
    variation, hexagonal = ("–" if value is None else f"{value:.1%}" for value in (found.variation, found.hexagonal))
    edge = f" ({found.at_edge} at the edge of the image left out)" if found.at_edge else ""
    shape = f"variation of the area {variation}, hexagonal {hexagonal}"
    print(f"{name}: {found.cells} complete cells{edge}{density}, {shape}")
    return found
