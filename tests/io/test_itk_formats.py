"""MetaImage, NRRD, MRC and DICOM: slices as they are stored, and one sentence for what is not read."""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from codecs import BOM_UTF8
from pathlib import Path

import itk
import numpy as np
import pytest

from unetpipe.datasets import find_images, find_records, read_truth
from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image
from unetpipe.io.images import image_size, read_labels

VOLUME = (np.arange(3 * 20 * 30) % 251).reshape(3, 20, 30)
VOLUMES = [".mha", ".mhd", ".nrrd", ".nhdr", ".mrc"]


def write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    itk.imwrite(itk.image_from_array(array), str(path))
    return path


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        *itertools.product(VOLUMES, [np.uint8, np.int16, np.uint16, np.float32]),
        *itertools.product(VOLUMES[:4], [np.float64, np.int32, np.uint32]),  # of which MRC holds none
    ],
)
def test_a_page_is_a_slice(suffix: str, dtype: type, tmp_path: Path):
    path = write(tmp_path / f"a{suffix}", VOLUME.astype(dtype))
    assert count_pages(path) == 3
    assert image_size(path) == (20, 30)
    for page in range(3):
        image = read_image(path, page)
        assert image.dtype == dtype
        assert np.array_equal(image[0], VOLUME[page])


def test_a_dicom_file_is_an_image(tmp_path: Path):
    for number in (2, 0, 1):
        write(tmp_path / f"slice{number}.dcm", VOLUME[number].astype(np.uint16))
    records = find_images(tmp_path)
    assert [record["mask_name"] for record in records] == [f"slice{number}_mask.tif" for number in range(3)]
    assert np.array_equal([read_image(record["image"])[0] for record in records], VOLUME)


def test_volumes_train_in_paired_folders(tmp_path: Path):
    write(tmp_path / "images" / "a.nrrd", VOLUME.astype(np.float32))
    write(tmp_path / "masks" / "a_seg.mha", np.where(VOLUME < 100, 1, 0).astype(np.uint8))
    records = find_records(tmp_path)
    assert [record["page"] for record in records] == [0, 1, 2]
    assert np.array_equal(read_truth(records[1])[0] > 0, VOLUME[1] < 100)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".mrc", ".dcm"])
def test_a_file_that_is_cut_off_is_one_sentence(suffix: str, tmp_path: Path):
    path = write(tmp_path / f"a{suffix}", (VOLUME[0] if suffix == ".dcm" else VOLUME).astype(np.uint16))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match=rf"a\{suffix} .*; is it complete\?$") as caught:
        read_image(path, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".mrc", ".dcm"])
def test_what_is_something_else_is_one_sentence(suffix: str, tmp_path: Path):
    (tmp_path / f"a{suffix}").write_text("hello")
    with pytest.raises(InputError, match=rf"a\{suffix} (is not what its suffix|cannot be read)") as caught:
        count_pages(tmp_path / f"a{suffix}")
    assert "\n" not in str(caught.value)


def nrrd(path: Path, array: np.ndarray, type: str) -> Path:
    sizes = " ".join(map(str, reversed(array.shape)))
    header = f"NRRD0004\ntype: {type}\ndimension: {array.ndim}\nsizes: {sizes}\nencoding: raw\nendian: little\n\n"
    path.write_bytes(header.encode() + array.tobytes())
    return path


@pytest.mark.parametrize(
    ("type", "dtype"), [("int8", np.int8), ("int64", np.int64), ("uint64", np.uint64), ("int16", np.int16)]
)
def test_whole_numbers_of_every_size(type: str, dtype: type, tmp_path: Path):
    array = (VOLUME // 2).astype(dtype)
    image = read_image(nrrd(tmp_path / "a.nrrd", array, type), 1)
    assert image.dtype == dtype
    assert np.array_equal(image[0], array[1])


@pytest.mark.parametrize("number", [2**53 + 2, 2**53 + 1, -(2**53) - 1])
def test_whole_numbers_that_a_double_does_not_hold_are_refused(number: int, tmp_path: Path):
    path = nrrd(tmp_path / "a.nrrd", np.array([[0, number]]), "int64")
    with pytest.raises(InputError, match=r"a\.nrrd holds whole numbers of 2⁵³ or more"):
        read_image(path)
    assert read_image(nrrd(tmp_path / "b.nrrd", np.array([[0, 2**53 - 1]]), "int64")).max() == 2**53 - 1


def test_keys_of_a_nrrd_are_not_taken_for_those_of_dicom(tmp_path: Path):
    path = nrrd(tmp_path / "a.nrrd", VOLUME[0].astype(np.uint8), "uint8")
    keys = b"0028|0004:=MONOCHROME1\n0028|0100:=64\n0028|0102:=3\n"
    path.write_bytes(path.read_bytes().replace(b"\n\n", b"\n" + keys + b"\n", 1))
    assert np.array_equal(read_labels(path), VOLUME[0])


@pytest.mark.parametrize(("suffix", "encoding"), [(".nhdr", "utf-8-sig"), (".nhdr", "utf-16"), (".mhd", "utf-16")])
def test_a_header_that_an_editor_began_with_a_mark(suffix: str, encoding: str, tmp_path: Path):
    path = write(tmp_path / f"a{suffix}", VOLUME.astype(np.uint8))
    text = path.read_text()
    path.write_text(text, encoding=encoding)
    with pytest.raises(InputError, match=rf"a\{suffix} begins with a byte order mark; save its text as UTF-8 without"):
        read_image(path, 0)
    path.write_text(text, encoding="utf-8")
    assert np.array_equal(read_image(path, 0)[0], VOLUME[0])


@pytest.mark.parametrize(
    ("suffix", "encoding"), [(".nrrd", "utf-8-sig"), (".NRRD", "utf-8-sig"), (".nrrd", "utf-16"), (".mha", "utf-16")]
)
def test_nobody_is_told_to_save_pixels_as_text(suffix: str, encoding: str, tmp_path: Path):
    path = write(tmp_path / f"a{suffix.lower()}", VOLUME.astype(np.uint8)).rename(tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes().decode("latin-1").encode(encoding))
    with pytest.raises(InputError, match=rf"a\{suffix} begins with a byte order mark, .*; save the image again"):
        read_image(path, 0)


def test_numbers_that_are_not_read(tmp_path: Path):
    header = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 3 4 3\nkinds: RGB-color domain domain\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(header.encode() + bytes(36))
    with pytest.raises(InputError, match=r"a\.nrrd holds 3 × unsigned_char; only grey values"):
        read_image(tmp_path / "a.nrrd")


def meta_image(path: Path, line: str, pixels: bytes, equals: str = " = ", kind: str = "MET_SHORT") -> Path:
    lines = ["NDims = 2", line, "DimSize = 3 2", f"ElementType = {kind}", "ElementDataFile = LOCAL", ""]
    path.write_bytes("\n".join(lines).replace(" = ", equals).encode() + pixels)
    return path


@pytest.mark.parametrize("yes", ["True", "true", "TRUE", "T", "1"])
@pytest.mark.parametrize("equals", [" = ", "=", ": "])
def test_lines_of_a_meta_image_mean_what_metaio_reads(yes: str, equals: str, tmp_path: Path):
    array = np.array([[1, 2, 300], [-4, 5, 6]], np.int16)
    big = meta_image(tmp_path / "a.mha", f"BinaryDataByteOrderMSB = {yes}", array.astype(">i2").tobytes(), equals)
    packed = meta_image(tmp_path / "b.mha", f"CompressedData = {yes}", zlib.compress(array.tobytes()), equals)
    binary = meta_image(tmp_path / "c.mha", f"BinaryData = {yes}", array.tobytes(), equals)
    marked = tmp_path / "d.mha"
    marked.write_bytes(BOM_UTF8 + big.read_bytes())  # as an editor may begin a text file
    for path in (big, packed, binary, marked):
        assert np.array_equal(read_image(path)[0], array), path.name


def test_a_line_of_a_meta_image_that_is_neither_true_nor_false(tmp_path: Path):
    path = meta_image(tmp_path / "a.mha", "BinaryDataByteOrderMSB = big", bytes(12))
    with pytest.raises(InputError, match=r"a\.mha has the line BinaryDataByteOrderMSB = big; it must be True or False"):
        read_image(path)


@pytest.mark.parametrize(("kind", "dtype"), [("MET_CHAR", "i1"), ("MET_LONG_LONG", "i8"), ("MET_ULONG_LONG", "u8")])
def test_a_meta_image_of_other_whole_numbers(kind: str, dtype: str, tmp_path: Path):
    array = np.array([[1, 2, 100], [4, 5, 6]], dtype)
    path = meta_image(tmp_path / "a.mha", "BinaryData = True", array.tobytes(), kind=kind)
    assert np.array_equal(read_image(path)[0], array)


def mrc(path: Path, mode: int, array: np.ndarray, stamp: tuple[int, int] = (0, 0), lowest: float = 0) -> Path:
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, *reversed(array.shape), mode)
    struct.pack_into("<3i", header, 28, *reversed(array.shape))
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    struct.pack_into("<f", header, 76, lowest)
    struct.pack_into("<2i", header, 152, *stamp)
    header[208:216] = b"MAP DD\0\0"
    path.write_bytes(bytes(header) + array.tobytes())
    return path


@pytest.mark.parametrize(
    ("stamp", "lowest", "dtype"),
    [
        ((0, 0), -128, np.int8),
        ((0, 0), 0, np.uint8),
        ((1146047817, 1), 0, np.int8),
        ((1146047817, 0), -128, np.uint8),
    ],
)
def test_the_sign_of_bytes_in_mrc(stamp: tuple[int, int], lowest: float, dtype: type, tmp_path: Path):
    """A file of IMOD says it; of others, the lowest value in the header tells."""
    array = VOLUME.astype(np.uint8).view(dtype)
    image = read_image(mrc(tmp_path / "a.mrc", 0, array, stamp, lowest), 2)
    assert image.dtype == dtype
    assert np.array_equal(image[0], array[2])


def test_a_mode_of_mrc_that_is_not_read(tmp_path: Path):
    with pytest.raises(InputError, match=r"a\.mrc has the mode 12; only 0, 1, 2, 6 are read"):
        read_image(mrc(tmp_path / "a.mrc", 12, VOLUME.astype(np.float16)))


def dicom(path: Path, array: np.ndarray, *more: tuple[int, int, bytes, bytes], **changed: bytes) -> Path:
    """Write (H, W), uint8 or uint16, with explicit types, little-endian."""
    number = struct.Struct("<H").pack
    bits = number(8 * array.itemsize)
    elements = [
        (0x08, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
        (0x08, 0x18, b"UI", b"1.2"),
        (0x28, 0x02, b"US", number(1)),
        (0x28, 0x04, b"CS", changed.get("photometric", b"MONOCHROME2 ")),
        (0x28, 0x10, b"US", number(array.shape[0])),
        (0x28, 0x11, b"US", number(array.shape[1])),
        (0x28, 0x100, b"US", bits),
        (0x28, 0x101, b"US", changed.get("stored", bits)),
        (0x28, 0x102, b"US", changed.get("high", number(8 * array.itemsize - 1))),
        (0x28, 0x103, b"US", number(0)),
        *more,
    ]
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", 20) + b"1.2.840.10008.1.2.1\0"
    content = bytearray(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta
    for group, element, kind, value in elements:
        value += b"\0" * (len(value) % 2)
        content += struct.pack("<HH2sH", group, element, kind, len(value)) + value
    pixels = array.tobytes()
    content += struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, len(pixels)) + pixels
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("slope", "offset"), [("2", "-5"), ("0.5", "-1000"), ("1", "0")])
def test_a_slope_of_dicom_makes_wider_numbers(slope: str, offset: str, tmp_path: Path):
    array = VOLUME[0].astype(np.uint8)
    scale = (0x28, 0x1052, b"DS", offset.encode()), (0x28, 0x1053, b"DS", slope.encode())
    image = read_image(dicom(tmp_path / "a.dcm", array, *scale))
    assert np.array_equal(image[0], array * float(slope) + float(offset))


def test_white_stored_as_0_in_dicom(tmp_path: Path):
    path = dicom(tmp_path / "a.dcm", VOLUME[0].astype(np.uint8), photometric=b"MONOCHROME1 ")
    assert np.array_equal(read_image(path)[0], 255 - VOLUME[0])
    with pytest.raises(InputError, match=r"a\.dcm stores white as 0 \(MONOCHROME1\)"):
        read_labels(path)


def test_pixels_of_dicom_in_upper_bits_are_refused(tmp_path: Path):
    array = (VOLUME[0] << 4).astype(np.uint16)
    path = dicom(tmp_path / "a.dcm", array, stored=b"\x0c\0", high=b"\x0f\0")
    with pytest.raises(InputError, match=r"a\.dcm keeps its pixels in the upper bits"):
        read_image(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.raw", "", "x/a.raw", "LIST", "missing.raw", "pipe"])
@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_pixels_lie_in_one_file_beside_the_header(suffix: str, name: str, tmp_path: Path):
    (tmp_path / "a.raw").write_bytes(bytes(4))
    (tmp_path / "b").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "b" / "pipe")
    heads = {
        ".mhd": "NDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\nElementDataFile = {}\n",
        ".nhdr": "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 2 2\nencoding: raw\ndata file: {}\n",
    }
    (tmp_path / f"a{suffix}").write_text(heads[suffix].format("a.raw"))
    assert read_image(tmp_path / f"a{suffix}").shape == (1, 2, 2)
    (tmp_path / "b" / f"a{suffix}").write_text(heads[suffix].format(name))
    with pytest.raises(InputError, match="must be one file next to it"):
        read_image(tmp_path / "b" / f"a{suffix}")
