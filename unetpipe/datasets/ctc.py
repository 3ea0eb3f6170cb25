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

from unetpipe.datasets.masks import all_known
from unetpipe.datasets.pixels import read_pixels
from unetpipe.datasets.records import Record, mask_name, of_channel
from unetpipe.datasets.unannotated_cells import known_pixels, sizes_in_files, unannotated
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
        slices = sorted(root.glob("*_GT/SEG/man_seg_*_*.tif"))
        if slices:
            complain(f"{slices[0]} is the truth of a slice of a volume; data sets of volumes (3D) cannot be used.")
            return []
        short = [path for path in sorted(root.glob("*/*.tif")) if re.fullmatch(r"t\d{1,2}\.tif", path.name)]
        if short:
            complain(
                f"{short[0]}: the number of a frame has at least three digits in a Cell Tracking Challenge set; rename "
                f"it to t{int(short[0].stem[1:]):03d}.tif, and its truth likewise."
            )
            return []
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
    files = record["label"], record.get("markers"), record.get("silver"), record["image"]
    return read_marked_truth(*files, channel=record.get("channel"))


def read_marked_truth(
    label_file: str | os.PathLike,
    markers_file: str | os.PathLike | None = None,
    silver_file: str | os.PathLike | None = None,
    image_file: str | os.PathLike | None = None,
    channel: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Read an instance map (H, W), int32, and a mask of known pixels (H, W), bool.

    Without markers all pixels are known. With them, the pixels of cells that gold truth leaves out are not known
    (:func:`unetpipe.datasets.unannotated_cells.known_pixels`). Their sizes come from the gold truth of all sequences,
    their shapes from the image, which is read only if it is needed.
    """
    label = read_labels(label_file)
    if markers_file is None:
        return all_known(label)
    markers = read_labels(markers_file)
    silver = None if silver_file is None else read_labels(silver_file)
    for other, path in ((markers, markers_file), (silver, silver_file)):
        if other is not None and other.shape != label.shape:
            raise InputError(f"{path} is {other.shape} pixels, {label_file} is {label.shape}; they must be alike.")
    if not unannotated(label, markers):
        return all_known(label)
    grey = None
    if image_file is not None:
        pixels = read_pixels(of_channel(Record(image=str(image_file)), channel))
        grey = pixels.mean(0) if pixels.shape[1:] == label.shape else None  # another size is said when both are used
    folders = sorted(Path(label_file).parents[2].glob("*_GT/SEG"))
    gold = [path for folder in folders for path in numbered_files(folder, SEGMENTATION).values()]
    return label, known_pixels(label, markers, silver, grey, sizes_in_files(gold))


def truth_files(truth_dir: Path) -> tuple[dict[int, Path], dict[int, Path], dict[int, Path]]:
    """Return the files of a truth folder (``NN_GT`` or ``NN_ST``) by frame: segmentations, markers, silver truth.

    The silver truth of ``NN_GT`` is that of ``NN_ST`` next to it.
    """
    segmented = numbered_files(truth_dir / "SEG", SEGMENTATION)
    marked = numbered_files(truth_dir / "TRA", MARKERS)
    whole = truth_dir.resolve()  # "." has no name
    silver = whole.with_name(whole.name.removesuffix("_GT") + "_ST") / "SEG"
    return segmented, marked, numbered_files(silver, SEGMENTATION) if whole.name.endswith("_GT") else {}


def marker_file(label: str | os.PathLike) -> Path | None:
    """Return the markers of the frame of a segmentation truth, gold or silver; None if there are none."""
    path = Path(label)
    frame = re.fullmatch(SEGMENTATION, path.name)
    folder = re.fullmatch(r"(\d{2,})_(GT|ST)", path.parent.parent.name)
    if not frame or not folder:
        return None
    markers = numbered_files(path.parent.parent.with_name(f"{folder.group(1)}_GT") / "TRA", MARKERS)
    return markers.get(int(frame.group(1)))


def read_markers(label: str | os.PathLike, shape: tuple[int, ...]) -> np.ndarray | None:
    """Read the markers of the frame of a segmentation truth; None if there are none.

    Raises
    ------
    InputError
        If their shape is another.
    """
    path = marker_file(label)
    if path is None:
        return None
    markers = read_labels(path)
    if markers.shape != shape:
        raise InputError(f"{path} is {markers.shape} pixels, its image is {shape}; they must be alike.")
    return markers


def numbered_files(folder: Path, pattern: str) -> dict[int, Path]:
    """Map the frame number in the names of a folder's files to their paths; empty if there is no such folder.

    Raises
    ------
    InputError
        If two files are of one frame, such as t001.tif and t0001.tif.
    """
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = re.fullmatch(pattern, path.with_suffix(path.suffix.lower()).name)
        if match:
            other = files.setdefault(int(match.group(1)), path)
            if other != path:
                frame = int(match.group(1))
                raise InputError(f"{other} and {path.name} are both of frame {frame}; remove one of them.")
    return files
