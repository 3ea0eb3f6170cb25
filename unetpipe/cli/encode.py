"""``unetpipe encode``: masks as the run-length submission file of the Data Science Bowl 2018."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.errors import InputError
from unetpipe.io.formats import images_in
from unetpipe.io.images import read_labels
from unetpipe.io.run_lengths import encode_instances
from unetpipe.io.tables import write_csv

COLUMNS = ("ImageId", "EncodedPixels")


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("encode", help="write masks as run lengths, the Data Science Bowl's submission file")
    parser.add_argument("masks", type=Path, help="folder of ID_mask.tif, as unetpipe segment writes them; no stacks")
    parser.add_argument("--output", type=Path, required=True, help="the file, CSV")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write a line for each nucleus; an image without one has a line without pixels."""
    if not options.masks.is_dir() or not images_in(options.masks):
        raise InputError(f"{options.masks} is no folder of masks (ID_mask.tif, as unetpipe segment writes them).")
    rows = []
    for path in images_in(options.masks):
        name = path.stem.removesuffix("_mask")
        rows += [(name, runs) for runs in encode_instances(read_labels(path)) or [""]]
    write_csv(options.output, COLUMNS, rows)
    print(f"Submission: {options.output} ({len(rows)} lines of {len(images_in(options.masks))} images)")
