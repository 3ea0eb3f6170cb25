"""OME-Zarr images read lazily: metadata 0.1 … 0.5, in Zarr formats 2 and 3.

References
----------
J. Moore et al.: OME-Zarr: a cloud-optimized bioimaging file format, Histochemistry and Cell Biology 2023.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from unetpipe.errors import InputError
from unetpipe.files import ZARR_MARKERS, first_line, remember
from unetpipe.large.images.lazy_image import PAGE_AXES, LazyImage

logger = logging.getLogger(__name__)

OLD_AXES = "tczyx"  # in metadata 0.1 and 0.2, which do not name the axes


def is_zarr(path: str | os.PathLike) -> bool:
    """Return whether a folder is a Zarr group or array."""
    return Path(path).is_dir() and any((Path(path) / marker).is_file() for marker in ZARR_MARKERS)


class OmeZarrImage(LazyImage):
    """The full resolution of a multiscale image.

    Parameters
    ----------
    path : path
        The image's group, such as ``cells.ome.zarr``.
    labels : bool
        Whether a label image is meant; elsewhere it is refused, so that nobody segments labels.

    Raises
    ------
    InputError
        If it is not an OME-Zarr image, its metadata contradict its array, or it has other axes than t, c, z, y, x.
    """

    def __init__(self, path: str | os.PathLike, labels: bool = False) -> None:
        self.path = Path(path).absolute()
        self.labels = labels
        try:
            attributes = dict(zarr.open_group(self.path, mode="r").attrs)
        except Exception as error:  # zarr raises what its JSON and dtypes raise
            if (self.path / ".zarray").is_file() or "array" in str(error):
                raise self._wrong("is a Zarr array without OME metadata; give the group that is the image") from error
            raise self._wrong(f"cannot be read as Zarr ({first_line(error)})") from error
        try:
            multiscales = self._multiscales(attributes)
            dataset = max(multiscales["datasets"], key=self._pixels_of)
            self.array_path = str(dataset["path"])
            axes = multiscales.get("axes", list(OLD_AXES))
            names = [axis["name"] if isinstance(axis, dict) else axis for axis in axes]
            units = [axis.get("unit") if isinstance(axis, dict) else None for axis in axes]
            scale = _scale(multiscales, dataset, len(names))
        except InputError:
            raise
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise self._wrong(f"has OME metadata that cannot be understood ({first_line(error)})") from error
        try:
            array = self._array()
            self.array_shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
            chunks = array.chunks
        except Exception as error:
            raise self._wrong(f"has no readable array {self.array_path!r} ({first_line(error)})") from error
        if len(names) != len(self.array_shape) or len(set(names)) != len(names):
            raise self._wrong(f"has the axes {names} in its metadata and an array of shape {self.array_shape}")
        if not {"y", "x"} <= set(names) or set(names) - set(PAGE_AXES + "cyx"):
            raise self._wrong(f"has the axes {names}; an image has y and x, and may have t, c and z")
        self.axes = "".join(names)
        self.native = (chunks[names.index("y")], chunks[names.index("x")])
        kept = [place for place, axis in enumerate(names) if axis != "c"]
        self.scale, self.units = tuple(scale[place] for place in kept), tuple(units[place] for place in kept)

    def identity(self) -> dict[str, Any]:
        """Return path, metadata, and a hash of the names, sizes and times of the chunks."""
        folder = self.path / self.array_path
        files = [folder / marker for marker in ZARR_MARKERS]
        return {
            "path": str(folder),
            "metadata": {file.name: file.read_text(errors="replace") for file in files if file.is_file()},
            "chunks": _states(folder),
        }

    def check(self, channels: int) -> None:
        """Check the image as :meth:`LazyImage.check`; a warning says how many chunks are missing."""
        super().check(channels)
        array = self._array()
        missing = array.nchunks - array.nchunks_initialized
        if missing:
            logger.warning(
                "%s: %d of %d chunks are not stored; their pixels are read as %s",
                *(self.path, missing, array.nchunks, array.fill_value),
            )

    def _multiscales(self, attributes: dict[str, Any]) -> dict[str, Any]:
        ome = attributes.get("ome", attributes)
        if "image-label" in ome and not self.labels:
            raise self._wrong("is a label image; name the image that it belongs to, two folders above")
        if "multiscales" in ome:
            return ome["multiscales"][0]
        inside = next(_images_in(self.path), None)
        if inside is not None:
            raise self._wrong(f"is a collection of images; name one of them, such as {inside}")
        if "labels" in ome:
            raise self._wrong("holds label images; name the image that they belong to, the folder above")
        if "plate" in ome or "well" in ome or "bioformats2raw.layout" in ome:
            raise self._wrong("is a collection of images, but holds none")
        raise self._wrong("is not an OME-Zarr image: its metadata hold no multiscales")

    def _pixels_of(self, dataset: dict[str, Any]) -> int:
        """Return the number of pixels of a level; 0 if it cannot be opened, which is explained for the level used."""
        try:
            return _open(self.path / str(dataset["path"])).size
        except Exception:  # zarr raises what its JSON and dtypes raise
            return 0

    def _array(self) -> zarr.Array:
        return _open(self.path / self.array_path)

    def _read(self, index: tuple[int | slice, ...]) -> np.ndarray:
        return np.asarray(self._array()[index])

    def _wrong(self, what: str) -> InputError:
        return InputError(f"{self.path} {what}.")


def _images_in(folder: Path, depth: int = 3) -> Iterator[Path]:
    """Yield the images, which are not label images, in the groups below a folder."""
    for group in sorted(filter(is_zarr, folder.iterdir()), key=lambda group: (len(group.name), group.name)):
        try:
            attributes: dict[str, Any] = dict(zarr.open_group(group, mode="r").attrs)
        except Exception:  # an array, or damaged
            continue
        ome = attributes.get("ome", attributes)
        if "multiscales" in ome:
            if "image-label" not in ome:
                yield group
        elif depth > 1:
            yield from _images_in(group, depth - 1)


def _newest_marker(folder: Path) -> Path:
    return max((folder / marker for marker in ZARR_MARKERS if (folder / marker).is_file()), key=os.path.getmtime)


@remember(maxsize=64, changes=_newest_marker)
def _open(path: Path) -> zarr.Array:
    """Open an array to read."""
    array = zarr.open_array(path, mode="r")
    if not isinstance(array, zarr.Array):
        raise TypeError("it is not an array")
    return array


def _states(folder: Path) -> str:
    """Return a hash of names, sizes and times of the last change of the files below a folder."""
    digest = hashlib.sha256()
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            status = (Path(place) / name).stat()
            digest.update(f"{Path(place, name).relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _scale(multiscales: dict[str, Any], dataset: dict[str, Any], count: int) -> list[float]:
    """Return the product of the scales of a level and of the whole image; 1 along axes without a scale."""
    total = np.ones(count)
    for level in (dataset, multiscales):
        for step in level.get("coordinateTransformations", []):
            if step.get("type") == "scale":
                factors = np.asarray(step["scale"], float)
                if factors.shape != (count,):
                    raise ValueError(f"{count} axes, and the scale {factors.tolist()}")
                total = total * factors
    if not np.isfinite(total).all() or (total <= 0).any():
        raise ValueError(f"scale {total.tolist()}")
    return total.tolist()
