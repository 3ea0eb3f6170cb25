"""Which files unetpipe wrote: what was made from earlier masks is not kept with new ones, and data of others stay."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from unetpipe.errors import InputError
from unetpipe.files import ZARR_MARKERS, write_text
from unetpipe.io.formats import images_in
from unetpipe.io.journal import few

ZARR_KEY = "unetpipe"  # the attribute of an OME-Zarr that unetpipe wrote
CELLS, SCORES = "cells", "scores"  # what is made: of the cells of masks, and of masks and their truth


def note_derived(folder: str | os.PathLike, kind: str, paths: Iterable[Path]) -> None:
    """Note files and folders that were written to an output folder, in addition to those that are noted already.

    Parameters
    ----------
    folder : path
        The output folder, which gets the file ``.KIND.json``.
    kind : {"cells", "scores"}
        What they hold.
    paths : iterable of Path
        They lie in the folder.
    """
    noted = _read(folder, kind) | {path.relative_to(folder).as_posix(): _state(path) for path in paths}
    write_text(Path(folder, f".{kind}.json"), json.dumps(noted, indent=0) + "\n")


def derived_paths(folder: str | os.PathLike, kind: str) -> set[Path]:
    """Return what is noted in a folder (:func:`note_derived`), whether or not it is there; nothing without a note."""
    return {Path(folder, name) for name in _read(folder, kind)}


def remove_derived(folder: str | os.PathLike, *kinds: str) -> list[str]:
    """Remove what was noted, and return sentences that say so. What was changed since stays, and is named.

    Parameters
    ----------
    folder : path
        The output folder, which need not exist.
    *kinds : {"cells", "scores"}
        What to remove; by default everything.
    """
    removed, changed = [], []
    for kind in kinds or (CELLS, SCORES):
        for name, state in _read(folder, kind).items():
            path = Path(folder, name)
            if not _lies_in(path, folder):
                continue
            if _state(path) != state:
                changed.append(name)
            elif path.is_dir():
                shutil.rmtree(path)
                removed.append(name)
            else:
                path.unlink()
                removed.append(name)
        Path(folder, f".{kind}.json").unlink(missing_ok=True)
    said = []
    if removed:
        said.append(f"Removed, because they belong to earlier masks: {few(sorted(removed))}")
    if changed:
        names = few(sorted(changed))
        said.append(f"Kept, because they were changed later, although they belong to earlier masks: {names}")
    return said


def check_no_others(folder: Path, names: Collection[str], command: str) -> None:
    """Check that masks do not go among images of other origin, such as a truth.

    Parameters
    ----------
    folder : Path
        Where the masks go; it need not exist.
    names : collection of str
        Names of the masks, which may be there already.
    command : str
        The command that writes them, for the sentence.

    Raises
    ------
    InputError
        If the folder holds other images, apart from pictures that were made of masks there.
    """
    drawn = derived_paths(folder, CELLS)
    images = images_in(folder) if folder.is_dir() else []
    others = [image.name for image in images if image.name not in names and image not in drawn]
    if others:
        raise InputError(
            f"{folder} holds images that unetpipe {command} did not write, such as {others[0]}; name another output "
            "folder, or remove them if nobody needs them."
        )


def other_zarrs(folder: Path) -> list[Path]:
    """Return the Zarr images in a folder that unetpipe did not write, by name. GEFF holds tracks and is left out."""
    return [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
        and path.suffix != ".geff"
        and any((path / marker).is_file() for marker in ZARR_MARKERS)
        and not _is_own_zarr(path)
    ]


def _is_own_zarr(path: Path) -> bool:
    try:
        return ZARR_KEY in json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False


def _read(folder: str | os.PathLike, kind: str) -> dict[str, list[int]]:
    """Return the states of what is noted by name; nothing if the note is missing or damaged."""
    try:
        noted = json.loads(Path(folder, f".{kind}.json").read_text(encoding="utf-8"))
        return {name: [int(number) for number in state] for name, state in noted.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _state(path: Path) -> list[int]:
    """Return the bytes of a file, or of all files of a folder, and the time of the last change."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    states = [file.stat() for file in files]
    return [sum(state.st_size for state in states), max((state.st_mtime_ns for state in states), default=0)]


def _lies_in(path: Path, folder: str | os.PathLike) -> bool:
    """Return whether something exists and really lies in a folder: anybody may have written the note."""
    root = Path(folder).resolve()
    try:
        return path.resolve(strict=True) == root / path.relative_to(folder) != root
    except (OSError, ValueError):
        return False
