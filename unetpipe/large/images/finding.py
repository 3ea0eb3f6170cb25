"""Which images of an input are segmented block by block: every OME-Zarr, and TIFF that does not fit into memory."""

from __future__ import annotations

import os
from pathlib import Path

from unetpipe.datasets.images import named_images
from unetpipe.errors import InputError
from unetpipe.io.formats import images_in
from unetpipe.large.images.lazy_image import LazyImage
from unetpipe.large.images.ome_zarr import OmeZarrImage, is_zarr
from unetpipe.large.images.tiff import TiffImage
from unetpipe.memory import default_memory, image_bytes

TIFF_SUFFIXES = (".tif", ".tiff")


def find_large(path: str | os.PathLike, memory: int | None = None, force: bool = False) -> list[tuple[LazyImage, Path]]:
    """List the images of a file or folder that have to be segmented block by block.

    Parameters
    ----------
    path : path
        An OME-Zarr, a TIFF, a folder of either, or a data set of a known layout.
    memory : int, optional
        Bytes that may be used; by default half of the free memory. If one image needs more, all images are listed.
    force : bool
        List TIFF files of any size.

    Returns
    -------
    list of (LazyImage, Path)
        The images, each with the folder for its result, relative to the output. Empty if all images fit into memory.

    Raises
    ------
    InputError
        If there is no such path, the folder also holds other kinds of images, an image cannot be read, or two images
        would have the same result.
    """
    root = Path(path)
    zarrs = [root] if is_zarr(root) else sorted(filter(is_zarr, root.iterdir())) if root.is_dir() else []
    zarrs = [folder for folder in zarrs if not folder.name.startswith(".")]
    if not root.exists():
        raise InputError(f"There is no image file or folder {root}.")
    if zarrs:
        beside = [] if zarrs == [root] else images_in(root)
        if beside:
            raise InputError(
                f"{root} holds OME-Zarr and other images, such as {beside[0].name}; put each kind into its own folder."
            )
        return _apart([(OmeZarrImage(folder), Path()) for folder in zarrs])
    files = named_images(root)
    if not force:
        limit = default_memory() if memory is None else memory
        if not any(_is_tiff(image) and _in_memory(image) > limit for image, _ in files):
            return []
    for image, _ in files:
        if not _is_tiff(image):
            raise InputError(f"{image} cannot be read part by part; save it as TIFF or OME-Zarr.")
    return _apart([(TiffImage(image), Path(mask).parent) for image, mask in files])


def _apart(images: list[tuple[LazyImage, Path]]) -> list[tuple[LazyImage, Path]]:
    """Return the images; InputError if two would have the same result."""
    source: dict[Path, Path] = {}
    for image, folder in images:
        other = source.setdefault(folder / image.name, image.path)
        if other != image.path:
            raise InputError(f"{other} and {image.path} would both have the result {image.name}.ome.zarr; rename one.")
    return images


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in TIFF_SUFFIXES


def _in_memory(path: Path) -> int:
    """Return the bytes that a page takes in memory; 0 if the file cannot be read, which reading it later explains."""
    try:
        image = TiffImage(path)
    except InputError:
        return 0
    return image_bytes(image.size, image.channels)
