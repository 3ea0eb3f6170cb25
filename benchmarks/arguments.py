"""Provide argument types and one-sentence error messages for the command lines of benchmarks and experiments."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unetpipe.errors import input_error_behind


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def folder(text: str) -> Path:
    """Return a path that is a folder, or can become one."""
    if Path(text).exists() and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file; name a folder")
    return Path(text)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn an InputError, also one that MONAI wrapped, into SystemExit; any other exception is a bug and passes."""
    try:
        yield
    except Exception as error:
        mistake = input_error_behind(error)
        if mistake is None:
            raise
        raise SystemExit(f"Error: {mistake}") from None
