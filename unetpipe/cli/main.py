"""The program ``unetpipe``: one file a verb."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from unetpipe import __version__
from unetpipe.cli import check, demo, encode, evaluate, export, fetch, label, link, measure, segment
from unetpipe.errors import input_error_behind

STOPPED = 130  # what a shell says of a program ended by Ctrl-C
VERBS = (check, fetch, segment, link, evaluate, label, export, measure, encode, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit status: 0, 1 after one sentence on what the user gave wrong, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="unetpipe", description="U-Net for touching cells, as a MONAI pipeline.")
    parser.add_argument("--version", action="version", version=f"unetpipe {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for verb in VERBS:
        verb.add_parser(verbs)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except Exception as error:
        mistake = input_error_behind(error)
        if mistake is None:
            raise
        print(f"Error: {mistake}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
