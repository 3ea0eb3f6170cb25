"""Label maps with their images and tracks, as tables and exports take them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from unetpipe.datasets.images import MaskMatcher, find_images
from unetpipe.datasets.pixels import read_pixels
from unetpipe.datasets.records import Record
from unetpipe.datasets.results import TRACK_TABLE
from unetpipe.errors import InputError
from unetpipe.io.formats import image_stem, images_in, is_nifti
from unetpipe.io.images import count_pages, read_labels
from unetpipe.io.track_tables import read_tracks
from unetpipe.morphometry import LabelledPage
from unetpipe.morphometry.confidence import confidence_by_id

FRAME = re.compile(r"(mask|man_seg|man_track|t)(\d{3,})")  # of a sequence of the Cell Tracking Challenge
TRACKED = {"mask": TRACK_TABLE, "man_track": "man_track.txt"}  # whose ids are those of the tracks in this table


@dataclass(frozen=True)
class MaskFile:
    """A file of cell ids and, if it is known, its image.

    Attributes
    ----------
    path : Path
        The mask.
    name : str
        Its path below the folder of masks, without suffix and without "_mask".
    pages : int
        Number of its pages.
    frame : int or None
        Frame number, if it is of a sequence.
    images : tuple of (Record or None)
        For each page, the record of its image.
    image : str
        What tables call the image.
    """

    path: Path
    name: str
    pages: int
    frame: int | None
    images: tuple[Record | None, ...]
    image: str

    @property
    def stack(self) -> str:
        """How files of all its pages begin, or of all frames of its sequence: these are called by their folder."""
        if self.frame is None:
            return self.name
        folder = PurePath(self.name).parent.as_posix()
        return self.path.absolute().parent.name if folder == "." else folder

    @property
    def track_table(self) -> Path | None:
        """The track table beside the mask, if its ids are labels of tracks."""
        stem = FRAME.fullmatch(image_stem(self.path))
        if self.frame is None or stem is None or stem.group(1) not in TRACKED:
            return None
        table = self.path.with_name(TRACKED[stem.group(1)])
        return table if table.is_file() else None


def find_mask_files(
    masks: Path, images: Path | None = None, names: Sequence[str] | None = None, channel: int | None = None
) -> list[MaskFile]:
    """List the masks of a file or folder, with their images.

    Parameters
    ----------
    masks : Path
        A mask, or a folder of masks. Files maskNNN.tif (or man_segNNN.tif, man_trackNNN.tif) of a folder are a
        sequence.
    images : Path, optional
        The images, as :func:`unetpipe.datasets.find_images` finds them; matched by names.
    names : sequence of str, optional
        Paths of the masks below ``masks``; by default the files in the folder, not those in its folders, and without
        NIfTI volumes.
    channel : int, optional
        Which channel of the images is meant, from 0; by default all of them.

    Raises
    ------
    InputError
        If there is no mask, no mask has an image, or the names of two masks differ only in the suffix.
    """
    root = masks if masks.is_dir() else masks.parent
    listed = [path for path in (images_in(masks) if masks.is_dir() else [masks]) if not is_nifti(path)]
    paths = listed if names is None else [root / name for name in names]
    matcher = MaskMatcher([] if images is None else find_images(images, channel))
    check_names(paths, root)
    found = [_mask_file(path, root, masks.is_dir(), images, matcher) for path in paths]
    if images is not None and found and not any(any(mask.images) for mask in found):
        raise InputError(
            f"No mask in {root} has the name of an image in {images}: there is {found[0].path.name}, and the mask of "
            "t000.tif is mask000.tif, that of a.png is a.tif or a_mask.tif."
        )
    return sorted(found, key=lambda mask: (mask.stack, mask.frame or 0))


def check_names(masks: Iterable[Path], root: Path) -> None:
    """Raise InputError if the names of two masks below a folder differ only in the suffix and "_mask"."""
    seen: dict[str, Path] = {}
    for mask in masks:
        name = _name(mask, root)
        if name in seen:
            raise InputError(f"{seen[name]} and {mask} would have the same name {name}; rename one.")
        seen[name] = mask


def read_labelled_pages(
    masks: Iterable[MaskFile],
    pixel_size: float | None = None,
    confidences: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Iterator[LabelledPage]:
    """Read masks, with their images and tracks, page by page.

    Parameters
    ----------
    masks : iterable of MaskFile
        From :func:`find_mask_files`.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    confidences : mapping, optional
        By a mask's absolute path, the confidences of the cells of each page
        (:meth:`unetpipe.io.journal.Journal.confidences`).

    Raises
    ------
    InputError
        If a mask, image or track table cannot be read, or an image has another size than its mask.
    """
    table: Path | None = None
    tracks = None
    for mask in masks:
        if mask.track_table != table:
            table = mask.track_table
            tracks = None if table is None else {track.label: track for track in read_tracks(table)}
        noted = (confidences or {}).get(str(mask.path.absolute()), ())
        for page, source in enumerate(mask.images):
            several = mask.pages > 1
            labels = read_labels(mask.path, page if several else None)
            yield LabelledPage.in_memory(
                labels,
                mask.image,
                pixels=None if source is None else read_pixels(source),
                page=page if several else mask.frame,
                name=f"{mask.name}_{page:03d}" if several else mask.name,
                stack=mask.stack,
                pixel_size=pixel_size,
                tracks=tracks,
                confidence=confidence_by_id(labels, noted[page] if page < len(noted) else None),
                path=mask.path if source is None else Path(source["image"]),
            )


def _name(mask: Path, root: Path) -> str:
    """Return what tables and exports call a mask below a folder."""
    return mask.relative_to(root).with_name(image_stem(mask).removesuffix("_mask")).as_posix()


def _mask_file(path: Path, root: Path, in_folder: bool, images: Path | None, matcher: MaskMatcher) -> MaskFile:
    relative = path.relative_to(root)
    frame = FRAME.fullmatch(image_stem(path)) if in_folder else None
    pages = count_pages(path)
    # the image of man_seg003.tif is that of mask003.tif
    alike = path if frame is None else path.with_name(f"mask{frame.group(2)}.tif")
    sources = [matcher.find(path, page) or matcher.find(alike, page) for page in range(pages)]
    image: PurePath = relative
    if sources[0] is not None and images is not None:
        source = Path(sources[0]["image"])
        image = source.relative_to(images) if images.is_dir() else PurePath(source.name)
    return MaskFile(
        path=path,
        name=_name(path, root),
        pages=pages,
        frame=int(frame.group(2)) if frame is not None and pages == 1 else None,
        images=tuple(sources),
        image=image.as_posix(),
    )
