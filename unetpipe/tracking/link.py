"""Link the segmented cells of a sequence, in memory or in a folder of masks."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np

from unetpipe.datasets.layouts import check_outside_data
from unetpipe.datasets.results import TRACK_TABLE, mask_names, read_mask, result_masks
from unetpipe.errors import InputError
from unetpipe.files import check_folder, replacing_files, write_text, writing
from unetpipe.io.derived import check_no_others
from unetpipe.io.images import write_labels
from unetpipe.io.track_tables import Track, write_tracks
from unetpipe.tracking.linkers import Linker, make_linker
from unetpipe.tracking.measuring import TrackMeasures, write_track_table

MEASURED = "tracks.csv"
LINKED = ".linked.json"  # in an output folder: the folder of the masks that were linked


def link_cells(frames: Iterable[np.ndarray], linker: Linker | None = None) -> tuple[list[np.ndarray], list[Track]]:
    """Link a whole sequence in memory.

    Parameters
    ----------
    frames : iterable of ndarray
        Instance maps (H, W), integer, of one size, in the order of time.
    linker : Linker, optional
        An unused one with your own parameters; by default one with the default parameters.

    Returns
    -------
    maps : list of ndarray
        (H, W), int32: track labels, 0 background.
    tracks : list of Track
        The track table.

    Examples
    --------
    A cell divides: track 1 is the parent of the tracks 2 and 3.

    >>> maps, tracks = link_cells([np.array([[4, 4, 4, 4]]), np.array([[1, 1, 2, 2]])])
    >>> maps[1]
    array([[2, 2, 3, 3]], dtype=int32)
    >>> [(track.label, track.parent) for track in tracks]
    [(1, 0), (2, 1), (3, 1)]
    """
    linker = linker or make_linker()
    return list(linker.link(frames)), linker.tracks


def write_result(
    folder: str | os.PathLike,
    frames: Iterable[np.ndarray],
    linker: Linker | None = None,
    digits: int = 3,
    pixel_size: float | None = None,
) -> list[Track]:
    """Link a sequence and write it as a result of the Cell Tracking Challenge, one frame at a time.

    Parameters
    ----------
    folder : path
        Receives ``mask000.tif`` … (16-bit labels) and, when all are written, ``tracks.csv``
        (:func:`unetpipe.tracking.measuring.write_track_table`) and ``res_track.txt``. In a submission it is called
        ``NN_RES``.
    frames, linker
        See :func:`link_cells`. The default linker needs only one frame in memory at a time.
    digits : int
        Digits of the frame number, as in the names of the images: 3, or 4 for more than 1000 frames.
    pixel_size : float, optional
        Side of a pixel in micrometres, for ``tracks.csv``.

    Returns
    -------
    list of Track

    Raises
    ------
    InputError
        If there is no frame, a label would exceed 65535, the folder cannot be written, or it holds masks of an older,
        longer sequence.
    """
    linker, folder = linker or make_linker(), Path(folder)
    written, measures = [], TrackMeasures()
    for number, labels in enumerate(linker.link(frames)):
        written.append(f"mask{number:0{digits}d}.tif")
        write_labels(folder / written[-1], labels)
        measures.add(labels)
    if not written:
        raise InputError(f"There is no frame to write to {folder}.")
    older = sorted({path.name for path in folder.glob("mask*.tif")} - set(written))
    if older:
        raise InputError(f"{folder} holds {older[0]} in addition to the {len(written)} new masks; use an empty folder.")
    write_track_table(folder / MEASURED, measures.measure(linker.tracks), pixel_size)
    write_tracks(folder / TRACK_TABLE, linker.tracks)
    return linker.tracks


def link_folder(
    folder: str | os.PathLike,
    output: str | os.PathLike | None = None,
    linker: Linker | None = None,
    pixel_size: float | None = None,
) -> list[Track]:
    """Link the masks ``mask000.tif``, ``mask001.tif`` … of a folder; write them, ``res_track.txt`` and ``tracks.csv``.

    All masks are read and checked before the first one is written.

    Parameters
    ----------
    folder : path
        Masks of one sequence, from frame 0 without a gap. Ids may differ from frame to frame.
    output : path, optional
        Folder for the result; by default the masks are replaced in ``folder``. Outlines stay the same. An earlier
        result of the same folder of masks is replaced. Nothing is replaced until everything is linked. If the program
        is ended while masks are replaced, there are no tables, and linking again gives the same result.
    linker, pixel_size
        See :func:`write_result`.

    Returns
    -------
    list of Track

    Raises
    ------
    InputError
        If there are no masks, a frame is missing, a mask cannot be read, differs in size or holds values other than
        whole numbers from 0 to 65535, or no mask holds a cell; if the output cannot be written, is the folder of the
        masks, holds other images or the result of other masks, or is the folder of a data set.
    """
    folder = Path(folder)
    target = folder if output is None else Path(output)
    masks = result_masks(folder)
    check_complete(masks, str(folder))
    digits = len(masks[0].stem.removeprefix("mask"))
    _check_masks(list(masks.values()))
    names = {f"mask{frame:0{digits}d}.tif" for frame in masks}
    check_target(target, names)
    if output is not None:
        if target.exists() and target.samefile(folder):
            raise InputError(
                f"The output folder {output} is that of the masks; name another one, or none to replace the masks."
            )
        check_outside_data(target, "masks")
        check_no_others(target, names, "link")
        _check_own_result(target, folder, names)
    with writing(target), replacing_files(target, last=(MEASURED, TRACK_TABLE)) as beside:
        tracks = write_result(beside, _MaskFiles(masks.values()), linker, digits, pixel_size)
        if output is not None:  # before the first mask is there, so that an interrupted run can be done again
            write_text(target / LINKED, json.dumps({"masks": _way(target, folder)}) + "\n")
        remove_tracks(target)
    return tracks


def check_complete(frames: Collection[int], folder: str, stem: str = "mask") -> None:
    """Raise InputError, naming the missing files, unless frames run from 0 without a gap."""
    present = set(frames)
    # not all of them: a frame may be called mask99999999999.tif
    missing = set(itertools.islice((frame for frame in range(max(present)) if frame not in present), 1000))
    if missing:
        raise InputError(
            f"{folder} lacks {mask_names(missing, stem)}; the frames of a sequence must run from 0 without a gap."
        )


def check_target(folder: Path, names: Collection[str]) -> None:
    """Check that a folder can be written and holds no masks other than those named.

    Raises
    ------
    InputError
        If it cannot be written, or holds another mask, which is named.
    """
    check_folder(folder)
    others = sorted({path.name for path in folder.glob("mask*.tif*")} - set(names))
    if others:
        raise InputError(
            f"{folder} holds {others[0]} in addition to the masks of this sequence ({min(names)} to {max(names)}); use "
            "another folder, or remove that file."
        )


def remove_tracks(folder: Path) -> list[str]:
    """Remove the old tables, which will not fit the new masks, and return their names; InputError if one stays."""
    removed = [name for name in (TRACK_TABLE, MEASURED) if (folder / name).exists()]
    for name in removed:
        try:
            (folder / name).unlink()
        except OSError as error:
            raise InputError(f"{folder / name} cannot be replaced ({error.strerror}).") from error
    return removed


def _way(start: Path, end: Path) -> str:
    """Return the path from one folder to another: relative, so that it holds after both were moved together."""
    try:
        return Path(os.path.relpath(end.resolve(), start.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return str(end.resolve())


def _check_own_result(target: Path, folder: Path, names: Collection[str]) -> None:
    """Raise InputError if the target holds masks or tables, and they were not linked from the masks in a folder."""
    held = [name for name in (*sorted(names), TRACK_TABLE, MEASURED) if (target / name).exists()]
    try:
        linked = (target / json.loads((target / LINKED).read_text(encoding="utf-8"))["masks"]).resolve()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # there is no such note, or it is damaged
        linked = None
    if held and linked != folder.resolve():
        raise InputError(
            f"{target} holds a result that was not linked from the masks in {folder}, such as {held[0]}; name another "
            "output folder, or remove that result if nobody needs it."
        )


class _MaskFiles:
    """The masks of files, which are read again each time that a linker goes through them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(read_mask, self.paths)


def _check_masks(paths: list[Path]) -> None:
    shape, cells = None, False
    for path in paths:
        mask = read_mask(path)
        shape = shape or mask.shape
        if mask.shape != shape:
            raise InputError(f"{path} is {mask.shape} pixels, {paths[0]} is {shape}; they must be alike.")
        cells = cells or bool(mask.any())
    if not cells:
        raise InputError(f"No mask in {paths[0].parent} holds a cell, so there is nothing to link.")
