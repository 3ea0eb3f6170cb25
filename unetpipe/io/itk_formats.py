"""NRRD, MRC and DICOM, read by ITK: a page of a volume (K, H, W) is a slice (H, W), as it is stored.

A series of DICOM files is a folder of images, each a separate page, in the order of the files' names.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from unetpipe.errors import InputError
from unetpipe.files import check_fits, misnamed, remember, unreadable

KINDS = ("unsigned_char", "short", "unsigned_short", "int", "unsigned_int", "float", "double")  # that ITK reads
# those that ITK reads in Python only as numbers of another type
WIDER = {"char": ("SS", np.int8), "long_long": ("D", np.int64), "unsigned_long_long": ("D", np.uint64)}
NOT_IN_DOUBLE = 2**53  # from here on, a double stands for several whole numbers
BITS_ALLOCATED, BITS_STORED, HIGH_BIT, PHOTOMETRIC = "0028|0100", "0028|0101", "0028|0102", "0028|0004"  # of DICOM
IMOD, SIGNED = 1146047817, 1  # the stamp of IMOD in a MRC header, and the flag of signed bytes
MRC_HEADER = 1024  # bytes
MRC_MODES = (0, 1, 2, 6)  # real numbers: of 8, 16 and 32 bits, and 16 bits without sign
HEADER = 2**16  # bytes, in which the lines of a NRRD's header and the transfer syntax of a DICOM file are
RATIOS = {"raw": 1, "gzip": 1100, "gz": 1100, "txt": 4, "text": 4, "ascii": 4}  # most bytes of pixels for one in a NRRD
PLAIN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")  # transfer syntaxes without compression
DICOM_RATIO = 10_000  # of JPEG 2000, for an empty image
SUFFIXES = (".nrrd", ".nhdr", ".mrc", ".dcm")


class _Header(NamedTuple):
    """(K, H, W) or (H, W), ITK's name of the numbers' type, and whether white is stored as 0 (ITK inverts it)."""

    shape: tuple[int, ...]
    kind: str
    white_is_zero: bool


def count_pages(path: Path) -> int:
    """Return the number of slices."""
    shape = _header(path).shape
    return shape[0] if len(shape) > 2 else 1


def size(path: Path) -> tuple[int, int]:
    """Return (height, width) by the header."""
    height, width = _header(path).shape[-2:]
    return height, width


def read_page(path: Path, page: int, labels: bool) -> np.ndarray:
    """Read a slice as (H, W)."""
    if labels and _header(path).white_is_zero:
        raise InputError(f"{path} stores white as 0 (MONOCHROME1); save a mask with 0 as black.")
    return _volume(path)[page]


@remember(maxsize=8)
def _header(path: Path) -> _Header:
    """Read a header; InputError if the file is not a volume of real numbers."""
    import itk

    check = {".mrc": _most_in_mrc, ".dcm": _most_in_dicom}.get(path.suffix.lower(), _most_in_nrrd)
    most = check(path)  # checked first, because ITK opens any file that a header names
    header = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
    if header is None:
        raise misnamed(path)
    header.SetFileName(str(path))
    try:
        header.ReadImageInformation()
        tags = _dicom_tags(header)
        bits = int(tags.get(BITS_ALLOCATED, 8 * header.GetComponentSize()))
        shifted = {HIGH_BIT, BITS_STORED} <= tags.keys() and int(tags[HIGH_BIT]) != int(tags[BITS_STORED]) - 1
    except (RuntimeError, ValueError) as error:  # the tags may be no numbers
        raise _unreadable(path, error) from error
    shape = tuple(header.GetDimensions(axis) for axis in reversed(range(header.GetNumberOfDimensions())))
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if not 2 <= len(shape) <= 3:
        raise InputError(f"{path} has the shape {shape}; a volume has two or three axes, and no time axis.")
    kind = header.GetComponentTypeAsString(header.GetComponentType())
    if header.GetNumberOfComponents() != 1 or kind not in (*KINDS, *WIDER):
        raise InputError(f"{path} holds {header.GetNumberOfComponents()} × {kind}; only grey values are read from it.")
    if shifted:
        raise InputError(f"{path} keeps its pixels in the upper bits of wider numbers; save it again.")
    check_fits(path, math.prod(shape) * header.GetComponentSize())
    needed = math.prod(shape) * bits // 8  # in the file; a slope makes wider numbers of them
    if most < needed:  # ITK would allocate the memory and read beyond the end of the file
        raise InputError(
            f"{path} cannot be read as an image (its header claims {needed} bytes of pixels, more than there can be); "
            "is it complete?"
        )
    return _Header(shape, kind, tags.get(PHOTOMETRIC, "").strip() == "MONOCHROME1")


def _dicom_tags(header: Any) -> dict[str, str]:
    """Return what a DICOM file says of its pixels; a NRRD file may hold keys of these names, which mean nothing."""
    if header.GetNameOfClass() != "GDCMImageIO":
        return {}
    tags = header.GetMetaDataDictionary()
    return {key: tags[key] for key in (BITS_ALLOCATED, BITS_STORED, HIGH_BIT, PHOTOMETRIC) if tags.HasKey(key)}


@remember(maxsize=2)  # an image and its label
def _volume(path: Path) -> np.ndarray:
    """Read (K, H, W)."""
    import itk

    header = _header(path)
    wider, dtype = WIDER.get(header.kind, (None, None))
    try:
        array = itk.array_from_image(itk.imread(str(path), None if wider is None else getattr(itk, wider)))
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    if dtype is not None:
        if wider == "D" and np.abs(array).max() >= NOT_IN_DOUBLE:
            raise InputError(f"{path} holds whole numbers of 2⁵³ or more; save them in 32 bits.")
        array = array.astype(dtype)
    if path.suffix.lower() == ".mrc" and array.itemsize == 1:
        array = array.view(_bytes_of_imod(path) or array.dtype)
    return array.reshape(-1, *header.shape[-2:])


def _bytes_of_imod(path: Path) -> type[np.int8 | np.uint8] | None:
    """Return the type of bytes in a MRC file of IMOD; in others ITK goes by the lowest value that the header names."""
    with path.open("rb") as file:
        header = file.read(MRC_HEADER)
    stamp, flags = (int.from_bytes(header[start : start + 4], _order_of_mrc(header)) for start in (152, 156))
    if stamp != IMOD:
        return None
    return np.int8 if flags & SIGNED else np.uint8


def _most_in_mrc(path: Path) -> int:
    """Return the bytes after the header, whose length the word at byte 92 adds to; byte 212 says the byte order."""
    with path.open("rb") as file:
        header = file.read(MRC_HEADER)
    order = _order_of_mrc(header)
    mode = int.from_bytes(header[12:16], order)
    if mode not in MRC_MODES:
        raise InputError(f"{path} has the mode {mode}; only {', '.join(map(str, MRC_MODES))} are read.")
    return path.stat().st_size - MRC_HEADER - int.from_bytes(header[92:96], order)


def _order_of_mrc(header: bytes) -> Literal["big", "little"]:
    return "big" if header[212:213] == b"\x11" else "little"


def _most_in_nrrd(path: Path) -> int:
    """Return the most bytes that the pixels may have; lines of the header say how and where they are stored."""
    with path.open("rb") as file:
        header = file.read(HEADER)
    if not header.startswith(b"NRRD"):
        raise misnamed(path, header)
    lines = header.decode("latin-1").splitlines()
    keys: dict[str, str] = {}
    for line in lines[: lines.index("") if "" in lines else None]:
        key, _, value = line.partition(":")
        keys[key.strip().lower().replace(" ", "")] = value.strip()
    source = path.parent / keys.get("datafile", path.name)
    if source.parent != path.parent or not source.is_file():
        raise InputError(f"{path} names {keys['datafile']!r} for its pixels; that must be one file next to it.")
    if keys.get("encoding", "").lower() not in RATIOS:
        raise InputError(f"{path} has the encoding {keys.get('encoding')!r}; only {', '.join(RATIOS)} are read.")
    return source.stat().st_size * RATIOS[keys["encoding"].lower()]


def _most_in_dicom(path: Path) -> int:
    """Return the most bytes that the pixels may have, by the transfer syntax."""
    with path.open("rb") as file:
        header = file.read(HEADER)
    _, found, rest = header.partition(b"\x02\x00\x10\x00UI")
    syntax = rest[2 : 2 + int.from_bytes(rest[:2], "little")].rstrip(b"\0 ").decode("latin-1")
    return path.stat().st_size * (1 if not found or syntax in PLAIN else DICOM_RATIO)


def _unreadable(path: Path, error: Exception) -> InputError:
    """Return ITK's error without its first lines, which say where in ITK's source it was raised."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return unreadable(path, "an image", ValueError(lines[-1].rpartition("): ")[2]))
