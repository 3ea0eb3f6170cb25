"""``unetpipe link``: link the masks of a sequence to a complete submission to the Cell Tracking Challenge."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unetpipe.cli.options import check_pixel_size
from unetpipe.errors import InputError
from unetpipe.files import check_folder

if TYPE_CHECKING:
    from unetpipe.io.track_tables import Track

PARAMETERS = {
    "overlap": ("min_iou", "daughter_ratio"),
    "laptrack": ("max_distance",),
}  # of each linker, besides max_gap
LINKER = "overlap"  # the default


def add_linker(parser: argparse.ArgumentParser) -> None:
    """Add ``--linker``; it is None if it is not given."""
    parser.add_argument(
        "--linker",
        choices=tuple(PARAMETERS),
        help="overlap: outlines that overlap are the same cell; laptrack: centroids that are near each other "
        f"are the same cell, for cells that move far (default: {LINKER})",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.description = (
        "Link the cells of a sequence from frame to frame, with divisions and short gaps. Outlines do not change; "
        "only the labels change. tracks.csv has a row for each track: its length, area and path, and what to look at."
    )
    parser.add_argument(
        "masks", metavar="MASKS", type=Path, help="folder of mask000.tif, mask001.tif … (NN_RES), of any tool"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="folder for the linked masks (default: they are replaced in place)"
    )
    add_linker(parser)
    parser.add_argument(
        "--max-gap", metavar="FRAMES", type=int, default=2, help="frames that a cell may be missing (default: 2)"
    )
    parser.add_argument(
        "--min-iou",
        metavar="IOU",
        type=float,
        help="overlap: two outlines of a lower IoU are not the same cell; lower it for cells that move far "
        "(default: 0.1)",
    )
    parser.add_argument(
        "--daughter-ratio",
        metavar="RATIO",
        type=float,
        help="overlap: least size of the smaller daughter of a division, as a share of the larger one (default: 1/3)",
    )
    parser.add_argument(
        "--max-distance",
        metavar="PIXELS",
        type=float,
        help="laptrack: centroids that are farther apart are not the same cell (default: the diameter of a circle of "
        "the cells' median area)",
    )
    parser.add_argument(
        "--pixel-size",
        metavar="MICROMETRES",
        type=float,
        help="pixel size of the masks (default: unknown, tracks.csv is in pixels)",
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        type=Path,
        help="folder for report.html, which shows the lineage tree and what to look at (default: none)",
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="images of the report: folder of t000.tif, t001.tif … (default: NN next to a folder NN_RES)",
    )


def run(options: argparse.Namespace) -> None:
    """Link, write, and say what was found."""
    if options.images is not None and options.report is None:
        raise InputError("--images is for the report, which needs --report.")
    check_pixel_size(options.pixel_size)
    from unetpipe.cli.cells import remove_old
    from unetpipe.datasets.results import result_masks
    from unetpipe.io.journal import left_over
    from unetpipe.tracking import link_folder, make_linker

    linker_name = options.linker or LINKER
    parameters = {name: getattr(options, name) for names in PARAMETERS.values() for name in names}
    given = {name: value for name, value in parameters.items() if value is not None}
    foreign = [name for name in given if name not in PARAMETERS[linker_name]]
    if foreign:
        raise InputError(f"--{foreign[0].replace('_', '-')} is not an option of the linker {linker_name}.")
    linker = make_linker(linker_name, max_gap=options.max_gap, **given)
    target = options.masks if options.output is None else options.output
    if options.report is not None:
        from unetpipe.report.results import check_track_images, report_tracks

        check_folder(options.report)
        check_track_images(options.masks, options.images)  # before the masks are replaced
    left = left_over(result_masks(options.masks).values())
    if left:
        print(f"Note: {left}")
    print(describe(link_folder(options.masks, options.output, linker, options.pixel_size), target))
    remove_old(target)
    if options.report is not None:
        report_tracks(target, options.report, options.images, options.masks)


def describe(tracks: list[Track], folder: Path) -> str:
    """Say in one line how many tracks there are and where."""
    from unetpipe.datasets.results import TRACK_TABLE

    ends = {track.label: track.end for track in tracks}
    children = [track for track in tracks if track.parent]
    parents = [track.parent for track in children]
    divided = len({parent for parent in parents if parents.count(parent) > 1})
    gaps = sum(parents.count(track.parent) == 1 and track.begin > ends[track.parent] + 1 for track in children)
    return f"Tracks: {len(tracks)} in {folder / TRACK_TABLE} (divisions: {divided}, gaps closed: {gaps})"
