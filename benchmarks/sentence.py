"""What a user gave wrong, such as a missing folder, ends a benchmark in one sentence with status 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unetpipe.errors import input_error_behind


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
