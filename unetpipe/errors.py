"""The one error class for what a user can correct: bad data, a wrong path, an argument that does not fit."""

from __future__ import annotations

DEBUG = "UNETPIPE_DEBUG"  # the environment variable that shows the traceback of a mistake, too


class InputError(ValueError):
    """Something the user gave is wrong; the message is one sentence: what, where, and what would be right."""


class FitWarning(UserWarning):
    """A result is unlike what the model was trained on; the message is one sentence: what differs, and what to try."""


def input_error_behind(error: BaseException | None) -> InputError | None:
    """Return the InputError that caused an exception, if one did: MONAI wraps what a config or transform raises."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__
    return error


def stop(sentence: str) -> None:
    """Raise InputError: what a reader of data does with a sentence on what is wrong, unless told to collect them."""
    raise InputError(sentence)
