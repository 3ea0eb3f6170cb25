"""How data sets are laid out: the one list of layouts, and what asks it.

A new layout is a module with the members of :class:`Layout`, and a line in ``LAYOUTS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from unetpipe.datasets import annotated_field, ctc, dsb2018, isbi2012, mnist, npy_stack, paired_folders
from unetpipe.datasets.masks import all_known
from unetpipe.datasets.records import Record, is_mask_name, of_channel
from unetpipe.errors import InputError, stop
from unetpipe.io.derived import other_zarrs
from unetpipe.io.formats import images_in


class Layout(Protocol):
    """A way to lay out a data set. A module whose constants and functions are these is one."""

    NAME: str
    """What reports, configs and records call it."""
    DESCRIPTION: str
    """Its files, for people."""
    FLAT: bool
    """Whether its images lie in the folder itself, not in folders of it."""

    def matches(self, folder: Path) -> bool:
        """Return whether a folder, which exists, has this layout. Layouts earlier in the list have been ruled out."""

    def records(self, folder: Path, complain: Callable[[str], None], *, truth: str, masks: str) -> list[Record]:
        """List the frames that have truth; parameters and result as of :func:`find_records`."""

    def images(self, folder: Path) -> list[tuple[Path, str]]:
        """List the image files to segment, each with the path of its mask below an output folder."""

    def read_truth(self, record: Record) -> tuple[np.ndarray, np.ndarray]:
        """Read the truth of one of its records; result as of :func:`read_truth`."""


# in the order in which they are tried
_MODULES: tuple[Layout, ...] = (isbi2012, npy_stack, paired_folders, annotated_field, ctc, dsb2018, mnist)
LAYOUTS = {layout.NAME: layout for layout in _MODULES}
MOST_TRIED = 20  # folders in a folder without a layout


def layout_of(folder: Path) -> Layout | None:
    """Return the layout of a folder that exists, None if it has none of those known."""
    return next((layout for layout in LAYOUTS.values() if layout.matches(folder)), None)


def recognise(folder: str | os.PathLike) -> str:
    """Return the name of a folder's layout, a key of ``LAYOUTS``.

    Raises
    ------
    InputError
        If there is no such folder, it is empty, or of no known layout.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"There is no data folder {root}.")
    layout = layout_of(root)
    if layout is None:
        without_masks = _images_without_masks(root)
        if without_masks:
            raise InputError(
                f"{root} holds {without_masks}, but no folder masks/ or labels/ next to a folder images/. To train or "
                "to score, put images into DATA/images and their masks, with the same names, into DATA/masks; unetpipe "
                "segment needs images only."
            )
        what = "has a layout that is not recognised" if any(root.iterdir()) else "is empty"
        inside = data_set_inside(root)
        if inside is not None:
            raise InputError(f"{root} {what}, but its folder {inside.name} is a data set; give {inside}.")
        known = "; ".join(layout.DESCRIPTION for layout in LAYOUTS.values())
        raise InputError(f"{root} {what}; unetpipe recognises: {known}.")
    return layout.NAME


def data_set_inside(root: Path) -> Path | None:
    """Return the first folder in a folder that has a layout, None if none of the first ones has."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and os.access(path, os.R_OK | os.X_OK))
    return next((folder for folder in folders[:MOST_TRIED] if layout_of(folder) is not None), None)


def _images_without_masks(root: Path) -> str | None:
    """Say which images a folder holds that lack only masks to be paired folders; None if there are none."""
    images = images_in(root)
    if images:
        return f"images, such as {images[0].name}"
    folders = [path.name for path in root.iterdir() if path.is_dir()]
    named = sorted(name for name in folders if name.lower() in paired_folders.IMAGE_FOLDERS)
    return f"a folder {named[0]}" if named else None


def check_outside_data(folder: str | os.PathLike, results: str) -> None:
    """Check that results do not go where a data set's own folders or images lie: they would be taken for its images.

    Parameters
    ----------
    folder : path
        The folder for the results; it need not exist.
    results : str
        What is written, such as "masks"; for the sentence.

    Raises
    ------
    InputError
        If the folder is that of a data set, such as the one that holds ``01`` and ``01_GT``, the truth of a Cell
        Tracking Challenge sequence, or holds Zarr images that unetpipe did not write.

    Examples
    --------
    >>> check_outside_data("01_RES", "masks")
    """
    root = Path(folder)
    if not root.is_dir():
        return
    layout = layout_of(root)
    if layout is not None and _holds_images(layout, root):
        raise InputError(
            f"The {results} would lie among the data in {root}, which is a data set: {layout.DESCRIPTION}; name "
            "another output folder."
        )
    if any(ctc.truth_files(root)):
        raise InputError(f"The {results} would lie among the truth in {root}; name another output folder.")
    zarrs = other_zarrs(root)
    if zarrs:
        raise InputError(
            f"The {results} would lie among the Zarr images in {root}, such as {zarrs[0].name}; name another output "
            "folder."
        )


def _holds_images(layout: Layout, root: Path) -> bool:
    """Return whether a folder holds images of a layout. A folder may be called 01 and hold only masks."""
    try:
        return any(not is_mask_name(image.name) for image, _ in layout.images(root))
    except InputError:  # it only looks like the layout
        return False


def find_records(
    dataset_dir: str | os.PathLike,
    truth: str = "gold+silver",
    masks: str = "auto",
    complain: Callable[[str], None] = stop,
    channel: int | None = None,
) -> list[Record]:
    """List the frames of a data set that have truth, by sequence and time, whatever its layout.

    Parameters
    ----------
    dataset_dir : path
        The data set's folder.
    truth : {"gold+silver", "gold", "silver"}
        Which truth of a Cell Tracking Challenge set is meant; the other layouts have one truth only.
    masks : {"auto", "instances", "classes"}
        What the values in the masks of paired folders are (:func:`unetpipe.datasets.paired_folders.records`).
    complain : callable
        Is given one sentence for each thing that is wrong with the folder's files; by default raises
        InputError at the first.
    channel : int, optional
        Which channel of the images is meant, from 0; by default all of them.

    Returns
    -------
    list of Record
        With "image", "label", "layout", "sequence", "frame" and "mask_name"; other keys where the layout needs them.

    Raises
    ------
    InputError
        If the folder is missing or of no known layout, a mask has no image, or no frame has truth.
    """
    layout = LAYOUTS[recognise(dataset_dir)]
    records = layout.records(Path(dataset_dir), complain, truth=truth, masks=masks)
    if records and not any("label" in record for record in records):
        complain(f"No image in {dataset_dir} has truth; its layout has none: {layout.DESCRIPTION}.")
        return []
    return [of_channel({**record, "layout": layout.NAME}, channel) for record in records]


def read_truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Read the truth of a frame.

    Parameters
    ----------
    record : Record
        Its "layout" says how it is read; a record without one comes from an annotation tool
        (:func:`unetpipe.datasets.read_pair_label`).

    Returns
    -------
    (ndarray, ndarray)
        The instance map (H, W), int32, and a mask of known pixels (H, W), bool. Pixels that a Cell Tracking Challenge
        set leaves unannotated, or that lie outside an annotated field, are not known.

    Raises
    ------
    InputError
        If a file cannot be read, or files of the truth differ in size.
    """
    if "layout" in record:
        return LAYOUTS[record["layout"]].read_truth(record)
    return all_known(paired_folders.read_pair_label(record["label"], record["image"], record.get("page")))


def check_same_size(record: Record, label: np.ndarray, image: tuple[int, ...]) -> None:
    """Raise InputError unless a record's label (H, W) has the size of its image, whose shape ends in (H, W)."""
    if label.shape == tuple(image[-2:]):
        return
    page = f", page {record['page']}," if "page" in record else ""
    raise InputError(
        f"{record['label']}{page} is {label.shape[0]}×{label.shape[1]} pixels (height × width), its image is "
        f"{image[-2]}×{image[-1]}; they must be alike."
    )
