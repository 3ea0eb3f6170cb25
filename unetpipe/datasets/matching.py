"""Which frame of a data set a mask is of, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from unetpipe.io.formats import image_stem


class MaskMatcher:
    """Finds the record of a mask: by the name that the record gives it, else by its image's name.

    ``a_mask.png``, ``a.tif`` and page k of either are found for the image ``a`` and its page k; the mask of
    ``01/t003.tif`` is ``01_RES/mask003.tif``, in that folder. A name that several records have finds none.

    Parameters
    ----------
    records : iterable of dict
        As :func:`unetpipe.datasets.find_records` gives them.
    """

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self._named: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for record in records:
            own = (PurePath(record["mask_name"]).with_suffix("").as_posix(), 0)
            for key in {own, (image_stem(record["image"]), record.get("page", 0))}:
                self._named.setdefault(key, []).append(record)

    def find(self, mask: Path, page: int = 0) -> dict[str, Any] | None:
        """Return the record of a page of a mask; None if there is none, or more than one."""
        stem = image_stem(mask)
        names = (f"{mask.absolute().parent.name}/{stem}", stem, stem.removesuffix("_mask"))
        found: Sequence[Sequence[dict[str, Any]]] = [self._named.get((name, page), []) for name in names]
        return next((records[0] for records in found if len(records) == 1), None)
