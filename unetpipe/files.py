"""Writing files so that nothing half-written ever stands under its name, and remembering what was read."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import tempfile
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil
from filelock import FileLock, Timeout

from unetpipe.errors import InputError

Content = TypeVar("Content")

MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
ZARR_MARKERS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")  # one of these files makes a folder a Zarr group or array
HEADERS = (".nhdr", ".mhd")  # of images: text only, the pixels are in another file
TEMPORARY = re.compile(rf"\..+-{MACHINE}-(\d+)-[^-]*")  # of a process of this machine


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
    ...     return path.read_text(encoding="utf-8")
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
    """Give a temporary name next to ``path``; the file gets the name ``path`` when the block ends without an error.

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
        prefix = _prepare(path)
        ending = path.suffix if suffix is None else suffix
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=ending)
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
    """Give a name next to ``path`` for a new folder, which replaces ``path`` when the block ends without an error.

    Raises
    ------
    InputError
        If the folder cannot be written, or ``path`` is a file.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"The folder {path} cannot be written: it is a file.")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=_prepare(path)) as beside:
            new = Path(beside) / "new"
            yield new
            if path.exists():
                path.replace(Path(beside) / "old")
            new.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({first_line(error)}).") from error


@contextmanager
def replacing_files(folder: str | os.PathLike, last: Sequence[str]) -> Iterator[Path]:
    """Give a temporary folder; when the block ends well, its files take their places in ``folder``, at once.

    Parameters
    ----------
    folder : path
        It is made if it is missing. Files that the block does not write stay.
    last : sequence of str
        Files that come after all others, in this order, relative to the folder: without the last one, a reader sees
        that the folder is not complete.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    folder = Path(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=_prepare(folder / "files")) as name:
            beside = Path(name)
            yield beside
            places = [path.relative_to(beside) for path in beside.rglob("*") if path.is_file()]
            for place in places:
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
            order = {name: number for number, name in enumerate(last)}
            for place in sorted(places, key=lambda place: order.get(place.as_posix(), -1)):
                (beside / place).replace(folder / place)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({first_line(error)}).") from error


@contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary folder next to ``path``, which gets this name when the block ends without an error.

    Parameters
    ----------
    path : path
        The folder; it must be new or empty.

    Raises
    ------
    InputError
        If something is there already, or it cannot be written.
    """
    path = Path(path)
    taken = InputError(f"The output folder {path} is not empty; name a new one.")
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise taken
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prepare(path)))
        try:
            yield temporary
            temporary.chmod(0o755)
            try:
                if path.exists():
                    path.rmdir()
                temporary.rename(path)
            except OSError as error:
                raise (taken if path.exists() else error) from None  # another process was faster
        except BaseException:
            shutil.rmtree(temporary)
            raise
    except OSError as error:
        raise InputError(f"{path} cannot be written ({first_line(error)}).") from error


@contextmanager
def only_writer(lock: str | os.PathLike, result: str | os.PathLike) -> Iterator[None]:
    """Keep other processes and threads from writing a result while the block runs.

    The operating system holds the lock and releases it when the process ends, however it ends. The thread that holds
    it may ask for it again. At the end the lock's file is removed, and so is its folder if the block left it empty.

    Parameters
    ----------
    lock : path
        The lock's file; its folder is made if it is missing. A file that a killed process left means nothing.
    result : path
        What is written; for the sentence.

    Raises
    ------
    InputError
        If somebody else writes it.
    """
    folder = Path(lock).absolute().parent
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder.resolve() / Path(lock).name, timeout=0, is_singleton=True)
        held.acquire()
    except Timeout:
        raise InputError(
            f"Another process is writing {result}; wait until it ends, or name another output folder."
        ) from None
    except OSError as error:
        raise InputError(f"{result} cannot be written ({first_line(error)}).") from error
    try:
        yield
    finally:
        if held.lock_counter == 1:
            with suppress(OSError):
                Path(held.lock_file).unlink()  # a process that has just opened it sees that it is gone, and gives up
        held.release()
        with suppress(OSError):  # of a folder that is not empty
            for place in made:
                place.rmdir()


def writing(folder: str | os.PathLike) -> AbstractContextManager[None]:
    """Keep other processes from writing to an output folder while the block runs (:func:`only_writer`).

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder, writing(folder):
    ...     write_text(f"{folder}/a.txt", "nobody else writes here now")
    """
    return only_writer(Path(folder) / ".lock", folder)


def _prepare(path: Path) -> str:
    """Make the folder of a path, and return how names of temporary files for it begin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent.absolute())
    return f".{path.name}-{MACHINE}-{os.getpid()}-"


@functools.cache
def _remove_leftovers(folder: Path) -> None:
    """Remove, once in each process, temporary files and folders of processes that were killed while they wrote."""
    for path in folder.glob(".*"):
        process = TEMPORARY.fullmatch(path.name)
        if process is None or psutil.pid_exists(int(process[1])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file, UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_folder(path: str | os.PathLike) -> None:
    """Raise InputError unless the folder can be written or made, and is not a part of a Zarr image."""
    folder = Path(path).absolute()
    for place in (folder, *folder.parents):
        if any((place / marker).is_file() for marker in ZARR_MARKERS):
            raise InputError(f"The output folder {path} lies in {place}, which is a Zarr image; name another folder.")
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"The output folder {path} cannot be made: {nearest} is a file.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"The output folder {path} cannot be written: no permission in {nearest}.")


def check_apart(output: str | os.PathLike, data: Mapping[Path, str], results: str) -> None:
    """Check that results do not go among the data that they come from.

    Parameters
    ----------
    output : path
        The folder for the results; it need not exist.
    data : mapping of Path to str
        Folders of the data, each with what it holds: "images", "masks" or "data".
    results : str
        What is written, such as "masks"; for the sentence.

    Raises
    ------
    InputError
        If the folder is one of those of the data.

    Examples
    --------
    >>> check_apart("results", {Path("data/images"): "images"}, "masks")
    """
    for folder, kind in data.items():
        if Path(output).exists() and folder.exists() and folder.samefile(output):
            raise InputError(f"The {results} would lie among the {kind} in {output}; name another output folder.")


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, without a full stop; its class's name if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def unreadable(path: str | os.PathLike, kind: str, error: Exception) -> InputError:
    """Return the error that a file cannot be decoded as a ``kind`` such as "an image"."""
    return InputError(f"{path} cannot be read as {kind} ({first_line(error)}); is it complete?")


def misnamed(path: str | os.PathLike, start: bytes = b"") -> InputError:
    """Return the error that a file, of which this is the ``start``, is not of the kind that its suffix says."""
    if start.startswith((BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)):
        if Path(path).suffix.lower() in HEADERS:
            return InputError(f"{path} begins with a byte order mark; save its text as UTF-8 without that mark.")
        return InputError(
            f"{path} begins with a byte order mark, and the text editor that added it may have damaged the pixels; "
            "save the image again with the program that wrote it."
        )
    return InputError(f"{path} is not what its suffix {Path(path).suffix} says, or damaged; is it complete?")


def check_fits(path: str | os.PathLike, needed: int) -> None:
    """Raise InputError if reading a file takes more bytes than there is free main memory."""
    import torch  # it takes a second to load, and only those who read pixels need it

    from unetpipe.memory import free_memory

    free = free_memory(torch.device("cpu"))
    if needed > free:
        raise InputError(f"{path} takes {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free.")
