"""Which part of a config could not be built, and why: MONAI wraps both in its own exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType

from unetpipe.errors import InputError
from unetpipe.files import first_line

WRAPPERS = ("Failed to instantiate component", "Failed to evaluate")  # how the messages of MONAI begin


def unbuilt_part(error: BaseException) -> InputError | None:
    """Return an InputError that names the key of a config whose part could not be built, and the cause.

    Parameters
    ----------
    error : exception
        What MONAI raised, with its traceback.

    Returns
    -------
    InputError or None
        None if no part was being built, or one was built and its engine ran: that is a bug.
    """
    said = failed_key(error)
    return None if said is None else InputError(f"The config cannot be used: {said}.")


def failed_key(error: BaseException) -> str | None:
    """Say which key of a config failed and why, such as "its key 'loss' fails (no such class)"; None as above."""
    key = None
    for frame in _frames(error):
        place = frame.f_globals.get("__name__"), frame.f_code.co_name
        if place == ("monai.bundle.reference_resolver", "_resolve_one_item"):
            key = str(frame.f_locals["id"]).replace("::", "#")
        elif place == ("ignite.engine.engine", "run"):
            return None
    if key is None:
        return None
    reason = error
    while reason.__cause__ is not None and str(reason).startswith(WRAPPERS):
        reason = reason.__cause__
    name = f"{type(reason).__name__}: " if isinstance(reason, KeyError) else ""
    return f"its key {key!r} fails ({name}{first_line(reason)})"


def _frames(error: BaseException | None) -> Iterator[FrameType]:
    """Yield the frames of an exception from the outermost on, then those of its cause."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            yield traceback.tb_frame
            traceback = traceback.tb_next
        error = error.__cause__
