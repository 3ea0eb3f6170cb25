"""TIFF: the numbers that were stored, page by page, by the axes that the file's metadata name.

The rules are in ``data/README.md``, "How a TIFF is read".
"""

from __future__ import annotations

import io
import logging
import math
import struct
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image
from tifffile import COMPRESSION, PHOTOMETRIC, PLANARCONFIG, TiffFrame, TiffPage

from unetpipe.errors import InputError
from unetpipe.files import check_fits, first_line, remember

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters of it becomes an InputError
SUFFIXES = (".tif", ".tiff")
BEHIND_ONE_DIRECTORY = ("shaped", "imagej", "stk")  # whose planes may lie there, by tifffile's names
THUMBNAIL_OR_MASK = 1 | 4  # bits of the tag NewSubfileType
PHOTOMETRIC_TAG = 262
BYTE_COUNTS = (279, 325, 514)  # tags of the lengths of strips, of tiles, and of an old JPEG
NO_DATA_TAG = 42113  # of GDAL: the value of pixels that were not measured
LARGEST_PACKED = 16  # bits of a whole number whose bits lie one after another in every program
HEADER = 8  # bytes
ALPHA = (1, 2)  # values of the tag ExtraSamples
GREY_OR_RGB = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.MASK, PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
DECODED_TO_RGB = (COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.WEBP, COMPRESSION.JPEGXL)
JPEG = (COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.JPEG_LOSSY, COMPRESSION.ALT_JPEG)  # that tables go with
# bytes that a compressed byte can stand for, at most; other methods have no bound
LARGEST_RATIO: dict[int, int] = {
    COMPRESSION.NONE: 1,
    COMPRESSION.PACKBITS: 64,
    COMPRESSION.LZW: 2000,
    COMPRESSION.DEFLATE: 1033,
    COMPRESSION.ADOBE_DEFLATE: 1033,
}


def count_pages(path: Path) -> int:
    """Return the number of pages: the product of all axes except channel, height and width."""
    return open_stack(path).count


def size(path: Path) -> tuple[int, int]:
    """Return (height, width) of the first page."""
    key = open_stack(path).parts[0].key
    return key.imagelength, key.imagewidth


def read_page(path: Path, page: int, labels: bool) -> np.ndarray:
    """Read a page as (H, W, C), without alpha.

    Labels keep the stored numbers. In an image, 0 becomes black if it is stored as white. A colour map is applied,
    unless a viewer only lays it over grey values.
    """
    return _decoded(path, page, None, labels)


def read_region(path: Path, page: int, rows: slice, columns: slice) -> np.ndarray:
    """Read a part of a page of an image as (h, w, C), as :func:`read_page` does; only the parts needed are read."""
    return _decoded(path, page, (rows, columns), labels=False)


def kinds(path: Path) -> list[Kind]:
    """Return what the pages of an image are like, for each :class:`Part` of the file; no pixel is read."""
    opened = open_stack(path)
    found = []
    for part in opened.parts:
        key = part.key
        channels = part.frames.shape[1] * key.shaped[0] * key.shaped[-1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of look-up tables
            one = _as_image(opened, part, _without_alpha(np.zeros((channels, 1, 1), key.dtype), key), labels=False)
        chunk = (key.tilelength or key.rowsperstrip, key.tilewidth or key.imagewidth)
        native = (min(chunk[0], key.imagelength), min(chunk[1], key.imagewidth))
        is_final = part.offset is not None or key.is_final
        found.append(Kind((key.imagelength, key.imagewidth), one.shape[-1], one.dtype, (1, 1) if is_final else native))
    return found


def _decoded(path: Path, page: int, region: tuple[slice, slice] | None, labels: bool) -> np.ndarray:
    """Read a page, or a region of it, as (h, w, C)."""
    opened = open_stack(path)
    try:
        pixels, part = opened.read(page, region)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory.") from error
    except Exception as error:  # each codec has its own exceptions for damaged data
        raise InputError(f"{path} cannot be read as TIFF ({first_line(error)}).") from error
    missing = None if labels else _no_data(part.key)
    if missing is not None and (pixels == missing).any():
        raise InputError(
            f"{path} holds pixels of the value {float(missing):g}, which its tag GDAL_NODATA names as no data; "
            "replace them by numbers first, and take the tag away."
        )
    return _as_image(opened, part, _without_alpha(pixels, part.key), labels)


def _no_data(key: TiffPage) -> np.number | np.bool_ | None:
    """Return the value that the tag GDAL_NODATA names, in the type of the pixels; None if they cannot have it."""
    if NO_DATA_TAG not in key.tags:
        return None
    try:
        named = float(str(key.tags[NO_DATA_TAG].value).strip("\0 "))
    except ValueError:  # not a number
        return None
    with np.errstate(all="ignore"):  # of a number that the type does not hold
        value = np.array([named]).astype(key.dtype)[0]
    return value if value.dtype.kind == "f" or float(value) == named else None


def _as_image(opened: TiffStack, part: Part, pixels: np.ndarray, labels: bool) -> np.ndarray:
    """Turn stored numbers (C, h, w) into labels or an image (h, w, C)."""
    path, key, pixels = opened.path, part.key, np.moveaxis(pixels, 0, -1)
    if labels:
        return pixels
    photometric = key.photometric if PHOTOMETRIC_TAG in key.tags else PHOTOMETRIC.MINISBLACK
    if photometric == PHOTOMETRIC.MINISWHITE:
        return _inverted(path, pixels, key)
    if part.colours is not None:
        return _coloured(path, pixels, part.colours, opened.has_luts)
    if photometric in GREY_OR_RGB or (key.compression in DECODED_TO_RGB and photometric == PHOTOMETRIC.YCBCR):
        return pixels
    name = PHOTOMETRIC(photometric).name if photometric in set(PHOTOMETRIC) else f"unknown ({photometric})"
    raise InputError(f"{path} holds {name} colours; save it as grey values or RGB.")


def write_label_pages(path: Path, pages: Sequence[np.ndarray], source: Path | None) -> None:
    """Write the pages, compressed."""
    first, *others = (Image.fromarray(page.astype(np.uint16)) for page in pages)
    encoded = io.BytesIO()  # in memory first: on a full disk the TIFF library fails in ways of its own
    more = {"save_all": True, "append_images": others} if others else {}
    first.save(encoded, format="TIFF", compression="tiff_adobe_deflate", **more)
    path.write_bytes(encoded.getbuffer())


def write_image_pages(path: Path, pages: Sequence[np.ndarray]) -> None:
    """Write pages (C, H, W), alike in shape and dtype, compressed, so that :func:`read_page` reads them unchanged."""
    array = np.stack([np.asarray(page) for page in pages])
    array = array.astype(np.uint8) if array.dtype == bool else array
    if array.shape[1] == 3:
        axes, photometric, array = "TYXS", "rgb", np.moveaxis(array, 1, -1)
    else:
        axes, photometric = "TCYX", "minisblack"
    tifffile.imwrite(path, array, photometric=photometric, compression="zlib", metadata={"axes": axes})


class Kind(NamedTuple):
    """What pages are like: ``size`` (height, width), number of ``channels``, ``dtype``, and ``native``.

    ``native`` is the (height, width) of the smallest part that can be decoded.
    """

    size: tuple[int, int]
    channels: int
    dtype: np.dtype
    native: tuple[int, int]


class Part(NamedTuple):
    """Pages of a file that belong together: ``planes`` directories, an array of ``shape`` along ``axes``.

    ``colours`` are those of a palette image, (3, N), uint16. ``offset`` is where the pixels lie one after the other
    behind one directory, else None.
    """

    planes: Sequence[TiffPage | TiffFrame | None]
    axes: str
    shape: tuple[int, ...]
    colours: np.ndarray | None
    offset: int | None = None

    @property
    def key(self) -> TiffPage:
        """The directory that describes all of them."""
        key = next(plane for plane in self.planes if plane is not None).keyframe
        assert key is not None
        return key

    @property
    def leading(self) -> int:
        """Number of axes that count planes; the others lie within a plane."""
        return len(self.shape) - len(self.key.shape)

    @property
    def frames(self) -> np.ndarray:
        """The number of the plane of each page and channel, (pages, channels)."""
        axes, lengths = self.axes[: self.leading], self.shape[: self.leading]
        planes = np.arange(math.prod(lengths)).reshape(lengths)
        channel = axes.find("C")
        return np.moveaxis(planes, channel, -1).reshape(-1, lengths[channel]) if channel >= 0 else planes.reshape(-1, 1)


class TiffStack:
    """The pages of a TIFF file. Directories are read once; the file is open only while pixels are read.

    Attributes
    ----------
    parts : list of Part
        In the order of the file.
    has_luts : bool
        Whether the program that wrote it lays colour maps over grey values.

    Raises
    ------
    InputError
        If the file is not a TIFF, is not complete, or is refused by the rules.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # data sets read in threads
        try:
            with tifffile.TiffFile(path, _multifile=False) as file:
                _check_last_directory(file)
                self.has_luts = file.is_imagej or file.is_ome
                self.parts = _parts(file)
                for part in self.parts:
                    _check(part)
        except _Refused as error:
            raise InputError(f"{path} {error}") from error
        except tifffile.TiffFileError as error:
            if path.stat().st_size > HEADER and str(error).startswith("not a TIFF file"):
                raise InputError(f"{path} is not a TIFF file, although its name says so.") from error
            raise self._incomplete(first_line(error)) from error
        except Exception as error:  # damaged directories end in exceptions of every kind
            raise self._incomplete(first_line(error)) from error
        self._file = file
        self._ends = np.cumsum([len(part.frames) for part in self.parts])
        self.count = int(self._ends[-1])

    def read(self, page: int, region: tuple[slice, slice] | None = None) -> tuple[np.ndarray, Part]:
        """Read a page, or the rows and columns of a region in it, as stored, (C, h, w); return its part too."""
        number = int(np.searchsorted(self._ends, page, side="right"))
        part = self.parts[number]
        channels = part.frames[page - self._ends[number]]  # counted from the part's end
        planes = [self._plane(part, int(plane), region) for plane in channels]
        pixels = np.concatenate(planes)
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False), part

    def _plane(self, part: Part, number: int, region: tuple[slice, slice] | None) -> np.ndarray:
        """Read a plane, or a region of it, as (samples, h, w)."""
        key, plane = part.key, None if part.offset is not None else part.planes[number]
        samples, _, height, width, interleaved = key.shaped
        dtype = np.dtype(key.dtype).newbyteorder(self._file.byteorder)
        if plane is not None:
            self._estimate_bytes(plane)
            self._check_bytes(plane)
            if region is None:
                check_fits(self.path, math.prod(key.shape) * dtype.itemsize)
                with self._lock:
                    self._file.filehandle.open()
                    try:
                        return _samples_first(plane.asarray().reshape(samples, height, width, interleaved))
                    finally:
                        self._file.filehandle.close()
            if not key.is_final:
                return _samples_first(self._decode(plane, *region))
        start = int(plane.dataoffsets[0]) if plane is not None else part.offset + number * key.nbytes  # type: ignore[operator]
        if start + key.nbytes > self.path.stat().st_size:
            raise self._incomplete(f"plane {number} lies beyond its end")
        # mapped again for each read, so that pages of the file do not stay in this process's memory
        mapped = np.memmap(self.path, dtype, "r", start, (samples, height, width, interleaved))
        return _samples_first(np.array(mapped if region is None else mapped[:, *region]))

    def _decode(self, plane: TiffPage | TiffFrame, rows: slice, columns: slice) -> np.ndarray:
        """Decode the strips or tiles of a region, and return it as (separate samples, h, w, interleaved samples)."""
        key = plane.keyframe
        assert key is not None
        samples, _, height, width, interleaved = key.shaped
        high, wide = (key.tilelength, key.tilewidth) if key.is_tiled else (key.rowsperstrip, width)
        grid = -(-height // high), -(-width // wide)
        chunks = [
            (sample * grid[0] + row) * grid[1] + column
            for sample in range(samples)
            for row in range(rows.start // high, (rows.stop - 1) // high + 1)
            for column in range(columns.start // wide, (columns.stop - 1) // wide + 1)
        ]
        region = np.full(
            (samples, rows.stop - rows.start, columns.stop - columns.start, interleaved), key.nodata, key.dtype
        )
        with self._lock:
            file = self._file.filehandle
            file.open()
            try:
                key.init_decode()
                tables = (
                    {"jpegtables": plane.jpegtables, "jpegheader": key.jpegheader} if key.compression in JPEG else {}
                )
                for chunk in chunks:
                    offset, count = plane.dataoffsets[chunk], plane.databytecounts[chunk]
                    file.seek(offset)
                    part, (sample, _, top, left, _), _ = key.decode(
                        file.read(count) if count else None, chunk, **tables, _fullsize=False
                    )
                    if part is None:  # not stored
                        continue
                    first, last = max(top, rows.start), min(top + part.shape[1], rows.stop)
                    begin, end = max(left, columns.start), min(left + part.shape[2], columns.stop)
                    region[
                        sample, first - rows.start : last - rows.start, begin - columns.start : end - columns.start
                    ] = part[0, first - top : last - top, begin - left : end - left]
            finally:
                file.close()
        return region

    def _estimate_bytes(self, plane: TiffPage | TiffFrame) -> None:
        """Set lengths of strips or tiles that are not stated, 0 or beyond the file's end, where libtiff estimates them.

        Uncompressed ones have the length of their rows. A single compressed one ends where something else begins.
        """
        key, size = plane.keyframe, self.path.stat().st_size
        assert key is not None
        offsets, counts = np.asarray(plane.dataoffsets, np.int64), np.asarray(plane.databytecounts, np.int64)
        unknown = not (counts.any() and any(tag in key.tags for tag in BYTE_COUNTS))
        if key.is_ndpi or key.is_subsampled or key.imagedepth > 1 or (offsets == 0).any():
            return
        if key.compression == COMPRESSION.NONE:
            lengths = _uncompressed_bytes(key)
            if len(offsets) == len(lengths) and (unknown or (offsets + counts > size).any()):
                plane.databytecounts = tuple(lengths)
        elif unknown and len(offsets) == math.prod(key.chunked) == 1:
            starts = {start for part in self.parts for other in part.planes if other for start in _starts(other)}
            plane.databytecounts = (min({start for start in starts if start > offsets[0]} | {size}) - int(offsets[0]),)

    def _check_bytes(self, plane: TiffPage | TiffFrame) -> None:
        """Raise InputError if the strips or tiles cannot hold the pixels, or the memory cannot."""
        key = plane.keyframe
        assert key is not None
        bits = math.prod(key.shape) * key.bitspersample
        offsets, counts = np.asarray(plane.dataoffsets, np.int64), np.asarray(plane.databytecounts, np.int64)
        if not key.is_ndpi:
            if len(counts) == math.prod(key.chunked) and not counts.any() and offsets.all():
                raise InputError(
                    f"{self.path} states 0 bytes for its strips or tiles, whose lengths must be known; save it again "
                    "by another program."
                )
            if len(counts) < math.prod(key.chunked) or (not key.is_gdal and (counts == 0).any()):
                raise self._incomplete("strips or tiles are missing")
            if (offsets + counts).max(initial=0) > self.path.stat().st_size:
                raise self._incomplete("strips or tiles lie beyond its end")
            ratio, held = LARGEST_RATIO.get(key.compression, math.inf), int(counts.sum())
            if not key.is_subsampled and 8 * ratio * held < bits:
                raise self._incomplete(f"its header claims {bits // 8} bytes, its strips or tiles hold {held}")

    def _incomplete(self, what: str) -> InputError:
        return InputError(f"{self.path} cannot be read as TIFF ({what}); is it complete?")


open_stack = remember(maxsize=8)(TiffStack)


class _Refused(Exception):
    """A file that is complete, but cannot be taken; the message goes on after its name."""


def _parts(file: tifffile.TiffFile) -> list[Part]:
    """Return the images of a file by its metadata; without such, each directory is a page."""
    if not file.pages or file.pages.first.dtype is None:
        raise _Refused("holds samples of a kind that is not known.")
    series = file.series
    kind = series[0].kind
    plain = kind in ("generic", "uniform")
    if plain and ((file.is_ome and len(file.pages) > 1) or (file.is_imagej and not file.is_ome)):
        raise _Refused(
            "has OME or ImageJ metadata that do not fit its pages: it is not complete, or pages lie in other files."
        )
    if plain:
        pages = [page for page in file.pages if not _is_beside(page) and page.shape]
        return [Part([page], page.axes, page.shape, _colours(page)) for page in pages or file.pages[:1]]
    if kind == "ome" and len(series) > 1:
        raise _Refused(f"holds {len(series)} images; save each as a separate file.")
    images = [one for one in series if not _is_beside(one.keyframe)] or series
    wanted = images if kind == "shaped" else images[:1]
    return [
        Part(one.pages[:], one.axes, one.shape, _colours(one.keyframe), _offset_behind_one_directory(one))
        for one in wanted
    ]


def _colours(page: TiffPage | TiffFrame) -> np.ndarray | None:
    key = page.keyframe
    return key.colormap if key is not None and key.photometric == PHOTOMETRIC.PALETTE else None


def _is_beside(page: TiffPage | TiffFrame) -> bool:
    """Return whether a page only belongs to another one: a thumbnail, or a mask of what is transparent."""
    return page.keyframe is not None and bool(page.keyframe.subfiletype & THUMBNAIL_OR_MASK)


def _offset_behind_one_directory(series: tifffile.TiffPageSeries) -> int | None:
    planes = math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1)
    if len(series.pages) == planes:
        return None
    if series.kind not in BEHIND_ONE_DIRECTORY or len(series.pages) != 1 or not series.keyframe.is_final:
        raise _Refused(f"holds {len(series.pages)} of the {planes} planes that its metadata name; is it complete?")
    return int(series.keyframe.dataoffsets[0])


def _check(part: Part) -> None:
    """Refuse missing planes, axes that are not pages of channels, height and width, and samples that are not real."""
    key = part.key
    if None in part.planes:
        raise _Refused("lacks planes that its metadata name; they may lie in other files.")
    channels = sum(part.axes.count(axis) for axis in "CS")
    fits = part.shape[part.leading :] == key.shape and not set(key.axes) - set("CSYX")
    if not fits or channels > 1 or not {"Y", "X"} <= set(part.axes[part.leading :]):
        sides = " × ".join(f"{axis} {length}" for axis, length in zip(part.axes, part.shape, strict=True))
        raise _Refused(f"has the axes {sides}; a page has height and width, and channels or colours.")
    if key.bitspersample == 1 and key.samplesperpixel > 1 and key.planarconfig == PLANARCONFIG.CONTIG:
        raise _Refused("holds several 1-bit samples a pixel, which programs pack differently; save them as 8 bit.")
    if not isinstance(key.bitspersample, int):
        raise _Refused(f"holds samples of different sizes ({key.bitspersample} bits); save them alike.")
    if np.dtype(key.dtype or "V").kind in "ui" and key.bitspersample > LARGEST_PACKED and key.bitspersample % 32:
        raise _Refused(f"holds whole numbers of {key.bitspersample} bits, whose bytes programs order differently.")
    if key.dtype is None or np.dtype(key.dtype).kind not in "buif":
        raise _Refused(f"holds {key.dtype or 'samples of a kind that is not known'}; pixels must be real numbers.")


def _check_last_directory(file: tifffile.TiffFile) -> None:
    """Raise ValueError if the last directory that can be read names another one: the file lacks pages then."""
    if file.is_ndpi:  # its directories have a form of their own
        return
    form, handle = file.tiff, file.filehandle
    start = file.pages[len(file.pages) - 1].offset
    handle.seek(start)
    (tags,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    handle.seek(start + form.tagnosize + tags * form.tagsize)
    (following,) = struct.unpack(form.offsetformat, handle.read(form.offsetsize))
    if following:
        raise ValueError(f"page {len(file.pages)} is missing")


def _starts(plane: TiffPage | TiffFrame) -> list[int]:
    """Return where in the file the directory of a plane begins, and its strips or tiles."""
    return [plane.offset, *plane.dataoffsets]


def _uncompressed_bytes(key: TiffPage) -> list[int]:
    """Return how many bytes each strip or tile of a plane has if it is not compressed; rows begin with a byte."""
    planes = key.samplesperpixel if key.planarconfig == PLANARCONFIG.SEPARATE else 1
    bits = key.samplesperpixel // planes * key.bitspersample
    if key.is_tiled:
        return math.prod(key.chunked) * [key.tilelength * -(-key.tilewidth * bits // 8)]
    row, high = -(-key.imagewidth * bits // 8), key.rowsperstrip or key.imagelength
    return planes * [min(high, key.imagelength - top) * row for top in range(0, key.imagelength, high)]


def _samples_first(plane: np.ndarray) -> np.ndarray:
    """Return (separate samples, h, w, interleaved samples), one of which is 1, as (samples, h, w)."""
    return np.moveaxis(plane, -1, 1).reshape(-1, *plane.shape[1:3])


def _without_alpha(pixels: np.ndarray, key: TiffPage) -> np.ndarray:
    extra = key.extrasamples
    first = len(pixels) - len(extra)
    if first < 1:
        return pixels
    return pixels[[channel for channel in range(len(pixels)) if channel < first or extra[channel - first] not in ALPHA]]


def _inverted(path: Path, pixels: np.ndarray, key: TiffPage) -> np.ndarray:
    if pixels.dtype.kind == "b":
        return ~pixels
    if pixels.dtype.kind != "u":
        raise InputError(f"{path} stores white as 0 in {pixels.dtype}; save it with 0 as black.")
    return (2**key.bitspersample - 1 - pixels).astype(pixels.dtype)


def _coloured(path: Path, pixels: np.ndarray, colours: np.ndarray, is_lut: bool) -> np.ndarray:
    """Apply the colours (3, N), uint16, of a map to indices (H, W, 1)."""
    if colours.shape[1] <= 256:
        colours = (colours >> 8).astype(np.uint8) if colours.max() > 255 else colours.astype(np.uint8)
    if (colours == colours[:1]).all():
        return colours[0][pixels]
    if is_lut or _is_gradient(colours):
        warnings.warn(f"{path} is shown in colours by a look-up table; its grey values are read.", stacklevel=2)
        return pixels
    return colours.T[pixels[..., 0]]


def _is_gradient(colours: np.ndarray) -> bool:
    """Return whether colours (3, N) change gradually, as in a viewer's look-up table."""
    steps = np.abs(np.diff(colours.astype(float), axis=1)).max(axis=0) / np.iinfo(colours.dtype).max
    steps = steps[: np.flatnonzero(steps).max(initial=-1) + 1]  # without the filling at the end
    return len(steps) >= 128 and bool(np.quantile(steps, 0.95) <= 0.035)
