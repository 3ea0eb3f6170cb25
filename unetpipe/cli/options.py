"""Options that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle


def add_bundle_and_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--bundle`` and ``--model``."""
    parser.add_argument("--bundle", metavar="DIR", type=Path, help="a trained bundle (default: the installed one)")
    parser.add_argument("--model", metavar="NAME", help=model_help())


def model_help() -> str:
    """Describe an option that names a model; the names are those of the installed bundle."""
    return (
        "one of the models of the bundle; the installed one has "
        f"{', '.join(model_names(find_bundle()))} (default: the main model of the bundle)"
    )
