"""Images to segment: what a folder holds, what the masks of each are called, and which image a mask is of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from PIL import Image

from unetpipe.datasets.layouts import data_set_inside, layout_of
from unetpipe.datasets.records import Record, mask_name, of_channel, without_outputs
from unetpipe.errors import InputError
from unetpipe.io.formats import IMAGE_SUFFIXES, image_stem, images_in, natural_key
from unetpipe.io.images import count_pages


def find_images(path: str | os.PathLike, channel: int | None = None) -> list[Record]:
    """List the images of a file, a folder of images, or a data set of a known layout; one record for each page.

    Parameters
    ----------
    path : path
        The file or folder.
    channel : int, optional
        Which channel of the images is meant, from 0; by default all of them.

    Returns
    -------
    list of Record
        "image": the path; "mask_name": where its mask goes below an output folder. tNNN.tif gives
        maskNNN.tif, in a CTC set in the folder NN_RES; any other NAME.tif or NAME.png gives NAME_mask.tif;
        NAME.nii.gz gives NAME_mask.nii.gz. A file of several pages has a record for each, in order, with
        "page" and "pages", all with one "mask_name": its mask has as many pages.

    Raises
    ------
    InputError
        If there is no such file or folder, it holds no image, or two images would have one mask.
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"There is no image file or folder {root}.")
    records: list[Record] = []
    source: dict[str, Path] = {}
    for image, name in named_images(root):
        if name in source:
            raise InputError(f"{source[name]} and {image} would both have the mask {name}; rename one of them.")
        source[name] = image
        pages = count_pages(image)
        record = of_channel(Record(image=str(image), mask_name=name), channel)
        records += [record] if pages == 1 else [{**record, "page": page, "pages": pages} for page in range(pages)]
    if not records:
        inside = data_set_inside(root)
        if inside is not None:
            raise InputError(f"{root} holds no image, but its folder {inside.name} is a data set; give {inside}.")
        files = [path for path in root.iterdir() if path.is_file() and not path.name.startswith(".")]
        others = [path.name for path in files if path.suffix.lower() in Image.registered_extensions()]
        hint = f"; save {min(others)} and others like it as PNG or TIFF" if others else ""
        raise InputError(f"{root} holds no image ({', '.join('*' + suffix for suffix in IMAGE_SUFFIXES)}){hint}.")
    return records


def named_images(root: Path) -> list[tuple[Path, str]]:
    """Return the image files of a file, folder or data set, and the names of their masks.

    Images in a folder itself are taken, not those in its folders.
    """
    if root.is_file():
        return [(root, mask_name(root.name))]
    images = without_outputs(images_in(root))
    layout = layout_of(root)
    if layout is None or (images and not layout.FLAT):
        return [(image, mask_name(image.name)) for image in images]
    return layout.images(root)


def left_out(records: Iterable[Record], others: Iterable[Record] = ()) -> str | None:
    """Say in a line which other files in the folders of the images and labels are not used; None if there are none.

    Parameters
    ----------
    records : iterable of Record
        Whose folders are looked at: those of the images, and of the labels that are files.
    others : iterable of Record
        More records whose files are used.
    """
    records = list(records)
    files = [Path(record[key]) for record in records for key in ("image", "label") if key in record]  # type: ignore[literal-required]
    files = [path for path in files if not path.is_dir()]
    used = {*files, *(Path(record["image"]) for record in others)}
    found = [
        f"{path.name} (a dead link)" if path.is_symlink() and not path.exists() else path.name
        for folder in dict.fromkeys(path.parent for path in files)
        for path in sorted(folder.iterdir(), key=natural_key)
        if path not in used and not path.name.startswith(".") and not path.is_dir()
    ]
    if not found:
        return None
    return f"{len(found)} other file(s): {', '.join(found[:5])}{', …' if len(found) > 5 else ''}"


class MaskMatcher:
    """Finds the record of a mask: by the name that the record gives it, else by its image's name.

    ``a_mask.png``, ``a.tif`` and page k of either are found for the image ``a`` and its page k; the mask of
    ``01/t003.tif`` is ``01_RES/mask003.tif``, in that folder. A name that several records have finds none.

    Parameters
    ----------
    records : iterable of Record
        As :func:`unetpipe.datasets.find_records` gives them.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._named: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            own = (PurePath(record["mask_name"]).with_suffix("").as_posix(), 0)
            for key in {own, (image_stem(record["image"]), record.get("page", 0))}:
                self._named.setdefault(key, []).append(record)

    def find(self, mask: Path, page: int = 0) -> Record | None:
        """Return the record of a page of a mask; None if there is none, or more than one."""
        stem = image_stem(mask)
        names = (f"{mask.absolute().parent.name}/{stem}", stem, stem.removesuffix("_mask"))
        found: Sequence[Sequence[Record]] = [self._named.get((name, page), []) for name in names]
        return next((records[0] for records in found if len(records) == 1), None)
