"""The layout of the Cell Tracking Challenge: ``NN/tNNN.tif`` with its gold and silver truth.

Gold truth (``NN_GT/SEG/man_segNNN.tif``) covers some frames and, in them, often not every cell;
the markers of the tracking truth (``NN_GT/TRA/man_trackNNN.tif``) stand in every cell. Silver
truth (``NN_ST/SEG``) is computer-made and covers every frame.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from unetpipe.datasets.masks import all_known
from unetpipe.datasets.records import Record, mask_name
from unetpipe.errors import InputError, stop
from unetpipe.io.formats import images_in
from unetpipe.io.images import read_labels

NAME = "ctc"
DESCRIPTION = "Cell Tracking Challenge (01/tNNN.tif with 01_GT/SEG/man_segNNN.tif or 01_ST/SEG)"
FLAT = False
TRUTHS = ("gold", "silver", "gold+silver")
SEGMENTATION, MARKERS = r"man_seg(\d{3,})\.tiff?", r"man_track(\d{3,})\.tiff?"


def matches(folder: Path) -> bool:
    """Return whether a folder holds a sequence or its truth."""
    return any(path.is_dir() and re.fullmatch(r"\d{2,}(_GT|_ST)?", path.name) for path in folder.iterdir())


def records(
    folder: str | Path, complain: Callable[[str], None] = stop, *, truth: str = "gold+silver", **_: str
) -> list[Record]:
    """List the frames that have truth, by sequence and time.

    Parameters
    ----------
    folder : path
        The folder that holds ``01``, ``01_GT``, ``01_ST`` …
    complain : callable
        Is given one sentence for each thing that is wrong; by default raises InputError at the first.
    truth : {"gold+silver", "gold", "silver"}
        "gold+silver" takes gold where there is gold and silver elsewhere.

    Returns
    -------
    list of Record
        Gold frames have "markers" and "silver" where there are such files. "mask_name" is what the challenge calls
        a result.

    Raises
    ------
    InputError
        If the folder is missing or not of this layout, a truth has no image, or no frame has truth.
    """
    if truth not in TRUTHS:
        raise InputError(f"truth={truth!r} is not known; use one of {', '.join(map(repr, TRUTHS))}.")
    root = Path(folder)
    found = []
    for sequence in find_sequences(root):
        images = numbered_files(root / sequence, r"t(\d{3,})\.tiff?")
        gold = numbered_files(root / f"{sequence}_GT" / "SEG", SEGMENTATION)
        markers = numbered_files(root / f"{sequence}_GT" / "TRA", MARKERS)
        silver = numbered_files(root / f"{sequence}_ST" / "SEG", SEGMENTATION)
        wanted = {"gold": set(gold), "silver": set(silver), "gold+silver": set(gold) | set(silver)}[truth]
        for frame in sorted(wanted):
            is_gold = truth != "silver" and frame in gold
            label = gold[frame] if is_gold else silver[frame]
            if frame not in images:
                complain(f"{label} has no image: t{frame:03d}.tif is missing in {root / sequence}.")
                continue
            record = Record(
                image=str(images[frame]),
                label=str(label),
                sequence=sequence,
                frame=frame,
                mask_name=f"{sequence}_RES/mask{frame:03d}.tif",
                truth="gold" if is_gold else "silver",
            )
            if is_gold and frame in markers:
                record["markers"] = str(markers[frame])
                if frame in silver:
                    record["silver"] = str(silver[frame])
            found.append(record)
    if not found:
        complain(
            f"No frame in {root} has {truth} truth; expected NN_GT/SEG/man_segNNN.tif or NN_ST/SEG/man_segNNN.tif."
        )
    return found


def images(folder: Path) -> list[tuple[Path, str]]:
    """List the images of all sequences."""
    return [
        (image, f"{sequence}_RES/{mask_name(image.name)}")
        for sequence in _sequences(folder)
        for image in images_in(folder / sequence)
    ]


def find_sequences(root: Path) -> list[str]:
    """Return the names of the sequences (``01``, ``02`` …) in a CTC folder; InputError if there are none."""
    if not root.is_dir():
        raise InputError(f"There is no data folder {root}.")
    names = _sequences(root)
    if not names:
        raise InputError(
            f"{root} is not laid out as a Cell Tracking Challenge set: it has no folder 01, 02 … with images tNNN.tif."
        )
    return names


def _sequences(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and re.fullmatch(r"\d{2,}", path.name))


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Read the truth of a frame as :func:`read_marked_truth` does."""
    return read_marked_truth(record["label"], record.get("markers"), record.get("silver"))


def read_marked_truth(
    label_file: str | os.PathLike,
    markers_file: str | os.PathLike | None = None,
    silver_file: str | os.PathLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Read an instance map (H, W), int32, and a mask of known pixels (H, W), bool.

    Without markers all pixels are known (:func:`known_pixels`).
    """
    label = read_labels(label_file)
    if markers_file is None:
        return all_known(label)
    markers = read_labels(markers_file)
    silver = None if silver_file is None else read_labels(silver_file)
    for other, path in ((markers, markers_file), (silver, silver_file)):
        if other is not None and other.shape != label.shape:
            raise InputError(f"{path} is {other.shape} pixels, {label_file} is {label.shape}; they must be alike.")
    return label, known_pixels(label, markers, silver)


def known_pixels(label: np.ndarray, markers: np.ndarray, silver: np.ndarray | None = None) -> np.ndarray:
    """Return where gold truth is known, from the markers of all cells.

    Where a marker has no object in the gold truth, the cell was not annotated: its silver mask, else
    a disc of the annotated cells' median size around the marker, is not known.

    Parameters
    ----------
    label, markers : ndarray
        (H, W), integer: gold truth, and markers of the tracking truth; 0 background.
    silver : ndarray, optional
        (H, W), integer: computer-made truth.

    Returns
    -------
    ndarray
        (H, W), bool.
    """
    known = np.ones(label.shape, bool)
    for number in np.unique(markers[markers > 0]):
        marker = markers == number
        if 2 * np.count_nonzero(label[marker]) >= np.count_nonzero(marker):
            continue
        known[_unannotated_cell(marker, silver, label) & (label == 0)] = False
    return known


def _unannotated_cell(marker: np.ndarray, silver: np.ndarray | None, label: np.ndarray) -> np.ndarray:
    if silver is not None:
        counts = np.bincount(silver[marker])
        counts[0] = 0
        if counts.any():
            return marker | (silver == counts.argmax())
    areas = np.unique(label[label > 0], return_counts=True)[1]
    area = float(np.median(areas)) if len(areas) else float(np.count_nonzero(marker))
    y, x = ndimage.center_of_mass(marker)
    rows, columns = np.ogrid[: marker.shape[0], : marker.shape[1]]
    return marker | ((rows - y) ** 2 + (columns - x) ** 2 <= area / np.pi)


def truth_files(truth_dir: Path) -> tuple[dict[int, Path], dict[int, Path], dict[int, Path]]:
    """Return the files of a truth folder (``NN_GT`` or ``NN_ST``) by frame: segmentations, markers, silver truth.

    The silver truth of ``NN_GT`` is that of ``NN_ST`` beside it.
    """
    segmented = numbered_files(truth_dir / "SEG", SEGMENTATION)
    marked = numbered_files(truth_dir / "TRA", MARKERS)
    whole = truth_dir.resolve()  # "." has no name
    silver = whole.with_name(whole.name.removesuffix("_GT") + "_ST") / "SEG"
    return segmented, marked, numbered_files(silver, SEGMENTATION) if whole.name.endswith("_GT") else {}


def marker_file(label: str | os.PathLike) -> Path | None:
    """Return the markers of the frame that a segmentation truth is of, gold or silver; None if there are none."""
    path = Path(label)
    frame = re.fullmatch(SEGMENTATION, path.name)
    folder = re.fullmatch(r"(\d{2,})_(GT|ST)", path.parent.parent.name)
    if not frame or not folder:
        return None
    markers = numbered_files(path.parent.parent.with_name(f"{folder.group(1)}_GT") / "TRA", MARKERS)
    return markers.get(int(frame.group(1)))


def numbered_files(folder: Path, pattern: str) -> dict[int, Path]:
    """Map the frame number in the names of a folder's files to their paths; empty if there is no such folder.

    Raises
    ------
    InputError
        If two files are of one frame, such as t001.tif and t0001.tif.
    """
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = re.fullmatch(pattern, path.name)
        if match:
            other = files.setdefault(int(match.group(1)), path)
            if other != path:
                frame = int(match.group(1))
                raise InputError(f"{other} and {path.name} are both of frame {frame}; remove one of them.")
    return files
