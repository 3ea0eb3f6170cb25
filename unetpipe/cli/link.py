"""``unetpipe link``: link the masks of a sequence to a complete submission to the Cell Tracking Challenge."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unetpipe.io.track_tables import Track


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.description = (
        "Link the cells of a sequence from frame to frame by overlap, with divisions and short gaps. "
        "Outlines stay as they are; only the labels change."
    )
    parser.add_argument(
        "masks", metavar="MASKS", type=Path, help="folder of mask000.tif, mask001.tif … (NN_RES), of any tool"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="folder for the linked masks (default: they are replaced in place)"
    )
    parser.add_argument(
        "--min-iou",
        metavar="IOU",
        type=float,
        default=0.1,
        help="two outlines of a lower IoU are not the same cell; lower it for cells that move far (default: 0.1)",
    )
    parser.add_argument(
        "--max-gap", metavar="FRAMES", type=int, default=2, help="frames that a cell may be missing (default: 2)"
    )
    parser.add_argument(
        "--daughter-ratio",
        metavar="RATIO",
        type=float,
        default=1 / 3,
        help="least size of the smaller daughter of a division, as a share of the larger one (default: 1/3)",
    )


def run(options: argparse.Namespace) -> None:
    """Link, write, and say what was found."""
    from unetpipe.cli.cells import remove_old
    from unetpipe.tracking import CellLinker, link_folder

    linker = CellLinker(options.min_iou, options.max_gap, options.daughter_ratio)
    target = options.masks if options.output is None else options.output
    print(describe(link_folder(options.masks, options.output, linker), target))
    remove_old(target)


def describe(tracks: list[Track], folder: Path) -> str:
    """Say in one line how many tracks there are and where."""
    from unetpipe.datasets.results import TRACK_TABLE

    ends = {track.label: track.end for track in tracks}
    children = [track for track in tracks if track.parent]
    parents = [track.parent for track in children]
    divided = len({parent for parent in parents if parents.count(parent) > 1})
    gaps = sum(parents.count(track.parent) == 1 and track.begin > ends[track.parent] + 1 for track in children)
    return f"Tracks: {len(tracks)} in {folder / TRACK_TABLE} (divisions: {divided}, gaps closed: {gaps})"
