"""``unetpipe encode``: write masks as the run-length submission file of the Data Science Bowl 2018."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.errors import InputError

COLUMNS = ("ImageId", "EncodedPixels")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "masks", metavar="MASKS", type=Path, help="folder of ID_mask.tif, as unetpipe segment writes them; no stacks"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="the submission file, CSV")


def run(options: argparse.Namespace) -> None:
    """Write one line for each nucleus; an image without a nucleus has a line without pixels."""
    from unetpipe.datasets.masks import check_numbered
    from unetpipe.io.formats import images_in
    from unetpipe.io.images import read_labels
    from unetpipe.io.run_lengths import encode_instances
    from unetpipe.io.tables import write_csv

    if not options.masks.is_dir() or not images_in(options.masks):
        raise InputError(f"{options.masks} is not a folder of masks (ID_mask.tif, as unetpipe segment writes them).")
    rows = []
    for path in images_in(options.masks):
        name = path.stem.removesuffix("_mask")
        labels = read_labels(path)
        check_numbered(labels, path)
        rows += [(name, runs) for runs in encode_instances(labels) or [""]]
    write_csv(options.output, COLUMNS, rows, mark=False)  # a program reads it, not a spreadsheet
    print(f"Submission: {options.output} ({len(rows)} lines of {len(images_in(options.masks))} images)")
