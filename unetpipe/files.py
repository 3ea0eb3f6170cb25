"""Writing files so that nothing half-written ever stands under its name, and remembering what was read."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from unetpipe.errors import InputError

Content = TypeVar("Content")


def remember(
    maxsize: int, changes: Callable[[Path], Path] = lambda path: path
) -> Callable[[Callable[[Path], Content]], Callable[[str | os.PathLike], Content]]:
    """Make a function of a path keep what it returns for the last ``maxsize`` files, until a file changes.

    Parameters
    ----------
    maxsize : int
        Number of results that are kept.
    changes : callable
        Returns the file whose time and size tell that the content of the path has changed; by default the path itself.

    Examples
    --------
    >>> @remember(maxsize=2)
    ... def read(path: Path) -> str:
    ...     return path.read_text()
    """

    def decorate(function: Callable[[Path], Content]) -> Callable[[str | os.PathLike], Content]:
        @functools.lru_cache(maxsize)
        def kept(path: Path, changed: int, size: int) -> Content:
            return function(path)

        @functools.wraps(function)
        def wrapper(path: str | os.PathLike) -> Content:
            status = changes(Path(path)).stat()
            return kept(Path(path), status.st_mtime_ns, status.st_size)

        return wrapper

    return decorate


@contextmanager
def replacing(path: str | os.PathLike, suffix: str | None = None) -> Iterator[Path]:
    """Give a temporary name beside ``path``; what is written there takes its place when the block ends well.

    Parameters
    ----------
    path : path
        The file; its folder is made if it is missing.
    suffix : str, optional
        How the temporary name ends, for writers that go by it; by default as ``path`` does.

    Raises
    ------
    InputError
        If the file cannot be written: no permission, no space.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ending = path.suffix if suffix is None else suffix
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=ending)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
    except OSError as error:
        raise InputError(f"{path} cannot be written ({first_line(error)}).") from error


@contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a name beside ``path`` for a new folder; this takes its place, whole, when the block ends well.

    Raises
    ------
    InputError
        If the folder cannot be written, or ``path`` is a file.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"The folder {path} cannot be written: it is a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as beside:
            new = Path(beside) / "new"
            yield new
            if path.exists():
                path.replace(Path(beside) / "old")
            new.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({first_line(error)}).") from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file, UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_folder(path: str | os.PathLike) -> None:
    """Raise InputError unless the folder exists and can be written, or can be made."""
    folder = Path(path).absolute()
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"The output folder {path} cannot be made: {nearest} is a file.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"The output folder {path} cannot be written: no permission in {nearest}.")


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message, without a full stop; its class's name if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def unreadable(path: str | os.PathLike, kind: str, error: Exception) -> InputError:
    """Return the error that a file cannot be decoded as a ``kind`` such as "an image"."""
    return InputError(f"{path} cannot be read as {kind} ({first_line(error)}); is it complete?")


def check_fits(path: str | os.PathLike, needed: int) -> None:
    """Raise InputError if reading a file takes more bytes than there is free main memory."""
    import torch  # it takes a second to load, and only those who read pixels need it

    from unetpipe.memory import free_memory

    free = free_memory(torch.device("cpu"))
    if needed > free:
        raise InputError(f"{path} takes {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free.")
