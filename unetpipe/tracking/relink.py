"""A folder of masks made a complete submission: labels that stay the same over time, and ``res_track.txt``."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from unetpipe.datasets.results import TRACK_TABLE, mask_names, read_mask, result_masks
from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.io.track_tables import Track
from unetpipe.tracking.link import CellLinker, write_result


def link_folder(
    folder: str | os.PathLike, output: str | os.PathLike | None = None, linker: CellLinker | None = None
) -> list[Track]:
    """Link the masks ``mask000.tif``, ``mask001.tif`` … of a folder and write them with ``res_track.txt``.

    All masks are read and checked before the first is written.

    Parameters
    ----------
    folder : path
        Masks of one sequence, from frame 0 without a gap; their ids mean nothing.
    output : path, optional
        Folder for the result; by default the masks are replaced where they are. Outlines stay as they
        are, and the table is removed first and written last: what an interruption leaves behind are
        masks, some with new ids, which can be linked again to the same result.
    linker : CellLinker, optional
        A fresh one with other parameters than the defaults.

    Returns
    -------
    list of Track

    Raises
    ------
    InputError
        If there are no masks, a frame is missing (it is named), a mask cannot be read, holds no whole numbers
        from 0 to 65535 or differs in size, there is no cell in any of them, or the output cannot be written or
        holds other masks.
    """
    folder = Path(folder)
    target = folder if output is None else Path(output)
    masks = result_masks(folder)
    check_complete(masks, str(folder))
    digits = len(masks[0].stem.removeprefix("mask"))
    _check_masks(list(masks.values()))
    check_target(target, {f"mask{frame:0{digits}d}.tif" for frame in masks})
    remove_tracks(target)
    return write_result(target, map(read_mask, masks.values()), linker, digits)


def check_complete(frames: Collection[int], folder: str, stem: str = "mask") -> None:
    """Raise InputError, naming the missing files, unless frames run from 0 without a gap."""
    missing = set(range(max(frames))) - set(frames)
    if missing:
        raise InputError(
            f"{folder} lacks {mask_names(missing, stem)}; the frames of a sequence run from 0 without a gap."
        )


def check_target(folder: Path, names: Collection[str]) -> None:
    """Check that a folder can be written and holds no other masks than those named.

    Raises
    ------
    InputError
        Naming a mask that does not belong there.
    """
    check_folder(folder)
    others = sorted({path.name for path in folder.glob("mask*.tif*")} - set(names))
    if others:
        raise InputError(
            f"{folder} holds {others[0]} besides the masks of this sequence ({min(names)} to {max(names)}); use "
            "another folder, or remove it."
        )


def remove_tracks(folder: Path) -> None:
    """Remove the old track table, which would not fit the masks that are now written; InputError if that fails."""
    try:
        (folder / TRACK_TABLE).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{folder / TRACK_TABLE} cannot be replaced ({error.strerror}).") from error


def _check_masks(paths: list[Path]) -> None:
    shape, cells = None, False
    for path in paths:
        mask = read_mask(path)
        shape = shape or mask.shape
        if mask.shape != shape:
            raise InputError(f"{path} is {mask.shape} pixels, {paths[0]} is {shape}; they must be alike.")
        cells = cells or bool(mask.any())
    if not cells:
        raise InputError(f"No mask in {paths[0].parent} holds a cell: there is nothing to link.")
