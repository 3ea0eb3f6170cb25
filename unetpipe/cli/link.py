"""``unetpipe link``: masks of a sequence made a complete submission to the Cell Tracking Challenge."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.datasets.results import TRACK_TABLE
from unetpipe.io.track_tables import Track
from unetpipe.tracking import CellLinker, link_folder


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser(
        "link",
        help="give the cells of a segmented sequence labels that stay, and write res_track.txt",
        description="Link the cells of a sequence from frame to frame by overlap, with divisions and short gaps. "
        "Outlines stay as they are; only the labels change.",
    )
    parser.add_argument("masks", type=Path, help="folder of mask000.tif, mask001.tif … (NN_RES), any tool's")
    parser.add_argument(
        "--output", type=Path, help="folder for the linked masks; by default they are replaced in place"
    )
    parser.add_argument(
        "--min-iou",
        type=float,
        default=0.1,
        help="two outlines of a lower IoU are not the same cell (0.1); lower it for cells that move far",
    )
    parser.add_argument("--max-gap", type=int, default=2, help="frames that a cell may be missing (2)")
    parser.add_argument(
        "--daughter-ratio",
        type=float,
        default=1 / 3,
        help="after a division the smaller daughter has at least this share of the larger one's size (1/3)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Link, write, and say what was found."""
    linker = CellLinker(options.min_iou, options.max_gap, options.daughter_ratio)
    target = options.masks if options.output is None else options.output
    print(describe(link_folder(options.masks, options.output, linker), target))


def describe(tracks: list[Track], folder: Path) -> str:
    """Say in one line how many tracks there are and where."""
    ends = {track.label: track.end for track in tracks}
    children = [track for track in tracks if track.parent]
    parents = [track.parent for track in children]
    divided = len({parent for parent in parents if parents.count(parent) > 1})
    gaps = sum(parents.count(track.parent) == 1 and track.begin > ends[track.parent] + 1 for track in children)
    return f"Tracks: {len(tracks)} in {folder / TRACK_TABLE} (divisions: {divided}, gaps closed: {gaps})"
