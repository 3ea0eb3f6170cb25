"""Which masks of a folder are complete, so that an interrupted segmentation can be continued."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

NAME = ".segmented.jsonl"


class Journal:
    """A line for each mask that was written: of which image, by which settings.

    A mask counts as complete if it is as it was written, and its image as it was read.

    Parameters
    ----------
    path : path
        The journal's file; its folder is made once there is something to write.
    settings : str
        Changes with everything that the masks depend on, except the images.
    """

    def __init__(self, path: str | os.PathLike, settings: str) -> None:
        self.path = Path(path)
        self.settings = settings

    def add(
        self, mask: str | os.PathLike, image: str | os.PathLike, confidences: Sequence[Sequence[float]] | None = None
    ) -> None:
        """Note that a mask is written, and the confidences of the cells on each page."""
        entries = [self._entry(Path(mask), Path(image))]
        if confidences is not None:
            entries.append({"mask": str(Path(mask).absolute()), "confidences": confidences})
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(entry) + "\n" for entry in entries))

    def confidences(self) -> dict[str, list[list[float]]]:
        """Return what was noted last of each mask's pages, by the mask's absolute path."""
        found = {}
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        for line in lines:
            try:
                entry = json.loads(line)
                found[entry["mask"]] = entry["confidences"]
            except (ValueError, KeyError, TypeError):  # another kind of line, or one that was cut off
                continue
        return found

    def images(self) -> dict[Path, Path]:
        """Return the images of the masks that are noted; both are absolute paths."""
        return dict(_images(self.path))

    def is_complete(self, mask: str | os.PathLike, image: str | os.PathLike) -> bool:
        """Return whether a mask is complete."""
        try:
            return json.dumps(self._entry(Path(mask), Path(image))) in self._noted
        except (OSError, UnicodeDecodeError):  # no journal, no image or no mask
            return False

    def begin(self, forget: bool = True) -> None:
        """Make the file, which shows that the masks of the folder are ours; forget the notes, or continue them."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("w" if forget else "a").close()

    @functools.cached_property
    def _noted(self) -> frozenset[str]:
        """The lines of earlier runs."""
        return frozenset(self.path.read_text(encoding="utf-8").splitlines())

    def _entry(self, mask: Path, image: Path) -> dict[str, Any]:
        return {
            "mask": str(mask.absolute()),
            "written": _state(mask),
            "image": str(image.absolute()),
            "read": _state(image),
            "settings": self.settings,
        }


def left_over(masks: Iterable[Path]) -> str | None:
    """Say which of the masks in a folder are left from an earlier run; None if there are none.

    They are those that the journal in the folder, or in the folder above it, does not note, and those whose image is
    gone. The result is also None if there is no journal, or if all masks would be named, as after the folder was moved
    to another machine.

    Parameters
    ----------
    masks : iterable of Path
        Files of one folder.
    """
    masks = list(masks)
    folder = masks[0].absolute().parent if masks else Path()
    own, above = ({mask: image for mask, image in _images(place / NAME)} for place in (folder, folder.parent))
    images = {mask.name: image for mask, image in own.items()}
    images = images or {mask.name: image for mask, image in above.items() if mask.parent.name == folder.name}
    found = sorted(mask.name for mask in masks if mask.name not in images or not images[mask.name].exists())
    if not images or not found or len(found) == len(masks):
        return None
    were = (
        "was not written by the last unetpipe segment there, or its image is"
        if len(found) == 1
        else ("were not written by the last unetpipe segment there, or their images are")
    )
    return f"{len(found)} of {len(masks)} masks in {folder} {were} gone: {few(found)}"


def few(names: Sequence[str]) -> str:
    """Return the first three of the names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _images(journal: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the masks that a journal notes, and their images."""
    try:
        lines = journal.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        try:
            entry = json.loads(line)
            yield Path(entry["mask"]), Path(entry["image"])
        except (ValueError, KeyError, TypeError):  # another kind of line, or one that was cut off
            continue


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
