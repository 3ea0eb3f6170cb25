"""Options that several verbs share."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError


def add_bundle_and_model(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Add ``--bundle`` and ``--model``; ``more`` is the end of the help of ``--model``."""
    parser.add_argument("--bundle", metavar="DIR", type=Path, help="a trained bundle (default: the installed one)")
    parser.add_argument("--model", metavar="NAME", help=model_help() + more)


def add_safe(parser: argparse.ArgumentParser) -> None:
    """Add ``--safe``."""
    parser.add_argument(
        "--safe",
        action="store_true",
        help="use only weights and plain values of the bundle; it cannot run code",
    )


def add_channel(parser: argparse.ArgumentParser) -> None:
    """Add ``--channel``."""
    parser.add_argument(
        "--channel",
        metavar="NUMBER",
        type=int,
        help="use only this channel of the images, counted from 0 (default: all)",
    )


def model_help() -> str:
    """Describe an option that names a model; the names are those of the installed bundle."""
    return (
        "one of the models of the bundle; the installed one has "
        f"{', '.join(model_names(find_bundle()))} (default: the main model of the bundle)"
    )


def as_command(parts: Sequence[str | Path], windows: bool = os.name == "nt") -> str:
    r"""Join the parts of a command so that it can be pasted into a shell; Windows' shells know no single quotes.

    A path that begins as an option does is written with its folder.

    Examples
    --------
    >>> as_command(["unetpipe", "train", "day 1", "--set", "channels=[8,16]"], windows=False)
    "unetpipe train 'day 1' --set 'channels=[8,16]'"
    >>> as_command(["unetpipe", "check", Path("-1")], windows=False)
    'unetpipe check ./-1'
    >>> as_command(["unetpipe", "train", "C:\\day 1", "--set", "channels=[8,16]"], windows=True)
    'unetpipe train "C:\\day 1" --set "channels=[8,16]"'
    """
    texts = [f"./{part}" if isinstance(part, Path) and str(part).startswith("-") else str(part) for part in parts]
    if not windows:
        return shlex.join(texts)
    return " ".join(text if re.fullmatch(r"[\w.:\\/=-]+", text) else f'"{text}"' for text in texts)


def check_pixel_size(size: float | None) -> None:
    """Raise InputError unless a pixel size is unknown or a finite number above 0."""
    if size is not None and not (math.isfinite(size) and size > 0):
        raise InputError(f"--pixel-size {size} must be a finite number above 0.")
