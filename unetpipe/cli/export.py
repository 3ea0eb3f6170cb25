"""``unetpipe export``: a trained bundle as a folder to hand on, to the model zoo, MONAI Label or a colleague."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.bundle import export_bundle


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("export", help="write a stand-alone bundle from a trained one")
    parser.add_argument("bundle", type=Path, help="folder that training wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder for the bundle; new or empty")
    parser.add_argument("--half", action="store_true", help="store the weights in half precision, at half the size")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the bundle and say what it holds."""
    export_bundle(options.bundle, options.output, half=options.half)
    size = (options.output / "models" / "model.pt").stat().st_size / 2**20
    print(f"Bundle: {options.output} (weights {size:.1f} MiB)")
