"""``unetpipe fetch``: download a public data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.description = "Download a public data set. Without a name, list all of them."
    parser.add_argument("name", metavar="NAME", nargs="?", help="the data set")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("data"), help="folder for data sets (default: data)"
    )
    parser.add_argument("--sha256", metavar="DIGITS", help="checksum that the archive must have (default: any)")
    parser.add_argument("--url", help="another address of the archive, such as a mirror (default: that of its owner)")


def run(options: argparse.Namespace) -> None:
    """Download and unpack a data set, or list them."""
    from unetpipe.cli.options import as_command
    from unetpipe.datasets.download import SETS, fetch

    if options.name is None:
        if options.url or options.sha256:
            raise InputError("Name the data set to fetch; --url and --sha256 describe its archive.")
        print("Public data sets; each is under the terms of its owner.\n")
        print("\n".join(f"  {name:16} {shows}" for name, (_, shows) in SETS.items()))
        return
    try:
        folder, digest = fetch(options.name, options.output, options.sha256, options.url)
    except KeyboardInterrupt:
        raise InputError("Stopped; the downloaded part is kept, and the same command continues the download.") from None
    print(f"Data set: {folder} (archive SHA-256 {digest})\nNext: {as_command(['unetpipe', 'check', folder])}")
