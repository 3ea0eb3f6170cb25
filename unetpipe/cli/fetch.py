"""``unetpipe fetch``: download a public data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.datasets.download import SETS, fetch
from unetpipe.errors import InputError


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    listed = "\n".join(f"  {name:16} {shows}" for name, (_, shows) in SETS.items())
    parser = verbs.add_parser(
        "fetch",
        help="download a public data set",
        description=f"Download a public data set; each is under its owner's terms.\n\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="the data set")
    parser.add_argument("--output", type=Path, default=Path("data"), help="folder for data sets (default: data)")
    parser.add_argument("--sha256", help="check sum that the archive must have")
    parser.add_argument("--url", help="another address of the archive, such as a mirror's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Download and unpack."""
    try:
        folder, digest = fetch(options.name, options.output, options.sha256, options.url)
    except KeyboardInterrupt:
        raise InputError("Stopped; what has come is kept, run it again to go on.") from None
    print(f"Data set: {folder} (archive SHA-256 {digest})\nNext: unetpipe check {folder}")
