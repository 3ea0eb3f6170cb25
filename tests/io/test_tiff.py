"""The rules by which a TIFF is read (data/README.md), each with a small file made for it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image, read_labels
from unetpipe.io.images import image_size
from unetpipe.io.tiff import read_region

RAMP = np.arange(15 * 17, dtype=np.uint8).reshape(15, 17)
STACK = np.random.default_rng(0).integers(0, 65535, (4, 15, 17)).astype(np.uint16)


def write(path: Path, array: np.ndarray, **options: Any) -> Path:
    options.setdefault("photometric", "minisblack")
    try:
        tifffile.imwrite(path, array, **options)
    except NotImplementedError as error:
        pytest.skip(f"this imagecodecs reads such a file, but cannot write it ({error})")
    return path


def pages(path: Path) -> np.ndarray:
    return np.stack([read_image(path, page) for page in range(count_pages(path))])


@pytest.mark.parametrize("bits", [2, 4, 7, 9, 10, 12, 14])
def test_packed_samples_are_the_stored_numbers(bits: int, tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 2**bits, (15, 17)).astype(np.uint8 if bits <= 8 else np.uint16)
    image = read_image(write(tmp_path / "a.tif", array, bitspersample=bits))
    assert image.dtype == array.dtype
    assert np.array_equal(image[0], array)


@pytest.mark.parametrize("codec", ["png", "jpeg2000", "jpegxl", "jpegxr", "webp"])
def test_codecs_without_loss(codec: str, tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    arguments = {"lossless": True} if codec in ("jpegxl", "webp") else {"level": 1.0} if codec == "jpegxr" else {}
    options = {"compression": codec, "compressionargs": arguments, "photometric": "rgb"}
    image = read_image(write(tmp_path / "a.tif", array, **options))
    assert np.array_equal(np.moveaxis(image, 0, -1), array)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_ignored(orientation: int, tmp_path: Path):
    path = write(tmp_path / "a.tif", RAMP, extratags=[(274, 3, 1, orientation, True)])
    assert np.array_equal(read_image(path)[0], RAMP)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.uint32])
def test_white_stored_as_0_becomes_black_in_an_image_and_stays_in_a_mask(dtype: type, tmp_path: Path):
    array = (RAMP > 100) if dtype is bool else RAMP.astype(dtype)
    path = write(tmp_path / "a.tif", array, photometric="miniswhite")
    expected = ~array if dtype is bool else np.iinfo(dtype).max - array
    assert np.array_equal(read_image(path)[0], expected)
    assert read_image(path).dtype == dtype
    if dtype is not np.uint32:
        assert np.array_equal(read_labels(path), array)


def test_white_stored_as_0_by_twelve_bits(tmp_path: Path):
    path = write(tmp_path / "a.tif", RAMP.astype(np.uint16), photometric="miniswhite", bitspersample=12)
    assert np.array_equal(read_image(path)[0], 4095 - RAMP.astype(np.uint16))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_white_stored_as_0_in_signed_numbers_is_refused(dtype: type, tmp_path: Path):
    path = write(tmp_path / "a.tif", RAMP.astype(dtype), photometric="miniswhite")
    with pytest.raises(InputError, match=r"a\.tif stores white as 0 in (int16|float32); save it with 0 as black"):
        read_image(path)
    assert np.array_equal(read_labels(path), RAMP)


def colour_map(kind: str) -> np.ndarray:
    steps = np.arange(256) * 257
    if kind == "grey":
        return np.stack([steps] * 3).astype(np.uint16)
    if kind == "inverted":
        return np.stack([steps[::-1]] * 3).astype(np.uint16)
    if kind == "gradient":
        return np.stack([steps, steps[::-1], steps // 2]).astype(np.uint16)
    return (np.random.default_rng(0).integers(0, 256, (3, 256)) * 257).astype(np.uint16)


def test_colour_maps(tmp_path: Path):
    for kind in ("grey", "inverted", "colours", "gradient"):
        path = write(tmp_path / f"{kind}.tif", RAMP, photometric="palette", colormap=colour_map(kind))
        assert np.array_equal(read_labels(path), RAMP)  # of a mask the indices count
    assert np.array_equal(read_image(tmp_path / "grey.tif"), RAMP[None])
    assert np.array_equal(read_image(tmp_path / "inverted.tif"), 255 - RAMP[None])
    assert np.array_equal(read_image(tmp_path / "colours.tif"), (colour_map("colours") // 257)[:, RAMP])
    with pytest.warns(UserWarning, match=r"gradient\.tif is shown in colours by a look-up table; its grey values"):
        assert np.array_equal(read_image(tmp_path / "gradient.tif"), RAMP[None])


@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("TYX", (4, 15, 17), {"imagej": True}),
        ("ZYX", (4, 15, 17), {"ome": True}),
        ("TZYX", (2, 3, 15, 17), {"imagej": True}),
        ("TZCYX", (2, 3, 2, 15, 17), {"imagej": True}),
        ("TCYX", (3, 2, 15, 17), {"ome": True}),
        ("CYX", (3, 15, 17), {"imagej": True}),
        ("CYX", (3, 15, 17), {"ome": True}),
        ("CTYX", (2, 3, 15, 17), {"ome": True}),
        ("CYX", (2, 15, 17), {}),
        ("TZCYX", (2, 2, 3, 15, 17), {"ome": True, "compression": "zlib"}),
    ],
)
def test_channels_are_never_pages(axes: str, shape: tuple[int, ...], options: dict, tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 65535, shape).astype(np.uint16)
    suffix = ".ome.tif" if "ome" in options else ".tif"
    path = write(tmp_path / f"a{suffix}", array, metadata={"axes": axes}, **options)
    expected = np.moveaxis(array, axes.index("C"), -3) if "C" in axes else array[..., None, :, :]
    assert np.array_equal(pages(path), expected.reshape(-1, *expected.shape[-3:]))


def test_planes_behind_one_directory(tmp_path: Path):
    """As ImageJ writes stacks above 4 GB."""
    path = write(tmp_path / "a.tif", STACK[0], metadata=None, description="ImageJ=1.54\nimages=4\nslices=2\nframes=2\n")
    path.write_bytes(path.read_bytes() + STACK[1:].tobytes())
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
    assert np.array_equal(pages(path)[:, 0], STACK)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="has OME or ImageJ metadata that do not fit its pages: it is not complete"):
        count_pages(path)


def test_pages_that_were_appended_one_by_one(tmp_path: Path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in STACK:
            file.write(page, photometric="minisblack")
    assert np.array_equal(pages(tmp_path / "a.tif")[:, 0], STACK)


def test_pages_of_different_sizes(tmp_path: Path):
    Image.fromarray(RAMP).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(RAMP[:9, :5])])
    assert count_pages(tmp_path / "a.tif") == 2
    assert np.array_equal(read_image(tmp_path / "a.tif", 0)[0], RAMP)
    assert np.array_equal(read_image(tmp_path / "a.tif", 1)[0], RAMP[:9, :5])
    assert image_size(tmp_path / "a.tif") == (15, 17)


@pytest.mark.parametrize("kind", ["thumbnail", "pyramid"])
def test_smaller_copies_are_no_pages(kind: str, tmp_path: Path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        if kind == "thumbnail":
            file.write(STACK[0], metadata=None, photometric="minisblack")
            file.write(STACK[0, ::2, ::2], metadata=None, photometric="minisblack", subfiletype=1)
        else:
            file.write(STACK[0], subifds=1, metadata=None, photometric="minisblack")
            file.write(STACK[0, ::2, ::2], subfiletype=1, metadata=None, photometric="minisblack")
    assert np.array_equal(pages(tmp_path / "a.tif")[:, 0], STACK[:1])


def ome(path: Path, change) -> Path:
    """Write an OME-TIFF of two frames and change its XML."""
    write(path, STACK[:2], ome=True, metadata={"axes": "TYX"})
    tifffile.tiffcomment(path, change(tifffile.tiffcomment(path)).encode())
    return path


def test_ome_planes_that_are_not_there_are_refused(tmp_path: Path):
    path = ome(tmp_path / "a.ome.tif", lambda text: text.replace('SizeT="2"', 'SizeT="3"').replace("PlaneCount", "x"))
    with pytest.raises(InputError, match=r"a\.ome\.tif (lacks planes|holds 2 of the 3 planes) that its metadata name"):
        count_pages(path)


def test_several_ome_images_are_refused(tmp_path: Path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for page in STACK[:2]:
            file.write(page, photometric="minisblack")
    with pytest.raises(InputError, match="holds 2 images; save each as a separate file"):
        count_pages(tmp_path / "a.ome.tif")


def test_alpha_is_left_out_other_samples_are_not(tmp_path: Path):
    array = np.stack([RAMP, RAMP + 1, RAMP + 2, RAMP + 3], -1)
    for kind, channels in (("unassalpha", 3), ("assocalpha", 3), ("unspecified", 4)):
        path = write(tmp_path / f"{kind}.tif", array, photometric="rgb", extrasamples=[kind])
        assert np.array_equal(read_image(path), np.moveaxis(array, -1, 0)[:channels])
    grey = write(tmp_path / "grey.tif", array[..., :2], planarconfig="contig", extrasamples=["unassalpha"])
    assert np.array_equal(read_image(grey), RAMP[None])


@pytest.mark.parametrize(
    ("array", "photometric", "words"),
    [
        (np.stack([RAMP] * 4, -1), "separated", "holds SEPARATED colours; save it as grey values or RGB"),
        (np.stack([RAMP] * 3, -1), "cielab", "holds CIELAB colours"),
        (RAMP.astype(np.complex64), "minisblack", "holds complex64; pixels must be real numbers"),
    ],
)
def test_what_is_refused(array: np.ndarray, photometric: str, words: str, tmp_path: Path):
    with pytest.raises(InputError, match=rf"a\.tif {words}"):
        read_image(write(tmp_path / "a.tif", array, photometric=photometric))


@pytest.mark.parametrize("value", [np.nan, np.inf, -3.4e38, 1e20])
def test_no_data_is_refused(value: float, tmp_path: Path):
    array = RAMP.astype(np.float32)
    array[3, 4] = value
    for read in (read_image, read_labels):
        with pytest.raises(InputError, match=r"a\.tif holds pixels that are .*; replace them by numbers first"):
            read(write(tmp_path / "a.tif", array))


def test_what_gdal_names_as_no_data_is_refused_in_an_image(tmp_path: Path):
    """Only where pixels have the value; a mask may call its background so."""
    tag = [(42113, "s", 0, "7", True)]
    path = write(tmp_path / "a.tif", RAMP, extratags=tag)
    with pytest.raises(
        InputError, match=r"a\.tif holds pixels of the value 7, which its tag GDAL_NODATA names as no data"
    ):
        read_image(path)
    assert np.array_equal(read_labels(path), RAMP)
    assert np.array_equal(
        read_image(write(tmp_path / "b.tif", RAMP + (RAMP == 7), extratags=tag))[0], RAMP + (RAMP == 7)
    )


@pytest.mark.parametrize("named", ["-9999", "nan", "none", "256", "1e40"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_value_that_pixels_cannot_have_is_no_missing_value(named: str, dtype: type, tmp_path: Path):
    array = np.array([[0, 1], [2, 255]], dtype)
    path = write(tmp_path / "a.tif", array, extratags=[(42113, "s", 0, named, True)])
    assert np.array_equal(read_image(path)[0], array)


@pytest.mark.parametrize("bits", [20, 24])
def test_whole_numbers_whose_bytes_programs_order_differently_are_refused(bits: int, tmp_path: Path):
    path = claim(write(tmp_path / "a.tif", RAMP.astype(np.uint32)), BitsPerSample=bits)
    with pytest.raises(InputError, match=rf"a\.tif holds whole numbers of {bits} bits"):
        read_image(path)


def test_samples_of_different_sizes_are_refused(tmp_path: Path):
    path = write(tmp_path / "a.tif", np.stack([RAMP] * 3, axis=-1).astype(np.uint8), photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["BitsPerSample"].overwrite((5, 6, 5))
    with pytest.raises(InputError, match=r"a\.tif holds samples of different sizes \(\(5, 6, 5\) bits\)"):
        read_image(path)


def claim(path: Path, **tags: int) -> Path:
    """Write other values into tags of a file's first directory."""
    with tifffile.TiffFile(path, mode="r+") as file:
        for name, value in tags.items():
            file.pages.first.tags[name].overwrite(value)
    return path


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_a_header_that_claims_the_absurd_is_refused_before_it_is_allocated(
    compression: str | None, photometric: str, tmp_path: Path
):
    array = RAMP if photometric == "minisblack" else np.stack([RAMP] * 3, -1)
    path = write(tmp_path / "a.tif", array, photometric=photometric, compression=compression, metadata=None)
    claim(path, ImageWidth=1_000_000, ImageLength=1_000_000, RowsPerStrip=1_000_000)
    with pytest.raises(InputError, match=r"claims \d+ bytes|takes 1000\.0 GB|takes 3000\.0 GB"):
        read_image(path)


def test_a_file_that_compresses_well_is_no_bomb(tmp_path: Path):
    """Above the limit of Pillow, 179 million pixels."""
    path = write(tmp_path / "a.tif", np.zeros((14000, 14000), np.uint8), compression="zlib", rowsperstrip=1000)
    assert path.stat().st_size < 300_000
    assert not read_image(path).any()
    Image.new("1", (14000, 14000)).save(tmp_path / "a.png")
    assert not read_image(tmp_path / "a.png").any()


def test_missing_strips_are_named(tmp_path: Path):
    path = write(tmp_path / "a.tif", RAMP, rowsperstrip=5, metadata=None)
    with pytest.raises(InputError, match="strips or tiles are missing"):
        read_image(claim(path, ImageLength=25))
    path = write(tmp_path / "b.tif", RAMP, rowsperstrip=5, metadata=None)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"strips or tiles lie beyond its end.*; is it complete"):
        read_image(path)


def set_lengths(path: Path, length: int | None) -> Path:
    """Overwrite the lengths of all strips and tiles of a file, or (None) hide their tag under another number."""
    with tifffile.TiffFile(path, mode="r+b") as file:
        for page in file.pages:
            tag = page.aspage().tags["StripByteCounts" if page.keyframe.rowsperstrip else "TileByteCounts"]
            if length is not None:
                tag.overwrite([length] * tag.count)
                continue
            file.filehandle.seek(tag.offset)
            file.filehandle.write((281 if tag.code == 279 else 326).to_bytes(2, "little"))
    return path


COLOURS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


STRIPS: list[dict[str, Any]] = [{}, {"rowsperstrip": 15}, {"planarconfig": "separate"}]
NUMBER_UNKNOWN: list[dict[str, Any]] = [  # without the lengths, the number of strips or tiles is not known
    {"tile": (16, 32)},
    {"planarconfig": "separate", "rowsperstrip": 15},
    {"planarconfig": "separate", "tile": (16, 32)},
]


@pytest.mark.parametrize(
    ("length", "options"),
    [
        *((length, options) for length in (0, 60000) for options in (*STRIPS, *NUMBER_UNKNOWN)),
        *((None, options) for options in STRIPS),
    ],
    ids=str,
)
def test_lengths_of_uncompressed_strips_that_are_wrong_follow_from_the_rows(
    length: int | None, options: dict[str, Any], tmp_path: Path
):
    """As libtiff reads them; many programs leave the length of a single strip 0."""
    array = np.moveaxis(COLOURS, -1, 0) if "planarconfig" in options else COLOURS
    path = write(tmp_path / "a.tif", array, photometric="rgb", metadata=None, **options)
    set_lengths(path, length)
    assert np.array_equal(read_image(path), np.moveaxis(COLOURS, -1, 0))
    region = read_region(path, 0, slice(7, 33), slice(20, 41))
    assert np.array_equal(region, COLOURS[7:33, 20:41])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot be read as TIFF .*; is it complete\?$"):
        read_image(path)


def test_length_0_of_rows_that_begin_with_a_byte(tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 2, (15, 17)) > 0
    Image.fromarray(array).save(tmp_path / "a.tif")
    assert np.array_equal(read_image(set_lengths(tmp_path / "a.tif", 0))[0], array)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits"])
@pytest.mark.parametrize("length", [0, None])
def test_a_single_compressed_strip_without_length_ends_where_something_else_begins(
    compression: str, length: int | None, tmp_path: Path
):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in STACK:
            file.write(page, compression=compression, metadata=None, photometric="minisblack")
    assert np.array_equal(pages(set_lengths(tmp_path / "a.tif", length))[:, 0], STACK)


def test_lengths_of_several_compressed_strips_must_be_known(tmp_path: Path):
    """tifffile gives black pixels there."""
    path = write(tmp_path / "a.tif", RAMP, rowsperstrip=5, compression="zlib", metadata=None)
    with pytest.raises(InputError, match=r"a\.tif states 0 bytes for its strips or tiles, whose lengths must be known"):
        read_image(set_lengths(path, 0))


def test_strips_that_lie_nowhere_are_missing(tmp_path: Path):
    path = set_lengths(write(tmp_path / "a.tif", RAMP, rowsperstrip=5, metadata=None), 0)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["StripOffsets"].overwrite([file.pages.first.dataoffsets[0], 0, 0])
    with pytest.raises(InputError, match="strips or tiles are missing"):
        read_image(path)


def test_a_file_that_lost_its_last_pages(tmp_path: Path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in STACK:
            file.write(page, metadata=None, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        third = file.pages[2].offset
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:third])
    with pytest.raises(InputError, match=r"page 2 is missing\); is it complete"):
        count_pages(tmp_path / "a.tif")


def test_what_damaged_pixels_say_is_no_question(tmp_path: Path):
    path = write(tmp_path / "a.tif", RAMP, compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as file:
        start, length = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + length] = bytes(length)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif cannot be read as TIFF \(.*\)\.$"):
        read_image(path)


def test_directories_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    opened: list[object] = []
    original = tifffile.TiffFile.__init__
    monkeypatch.setattr(tifffile.TiffFile, "__init__", lambda *a, **k: (opened.append(a), original(*a, **k))[1])
    Image.fromarray(RAMP).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(RAMP)] * 1999)
    begun = time.process_time()
    for page in range(count_pages(tmp_path / "a.tif")):
        read_image(tmp_path / "a.tif", page)
    assert time.process_time() - begun < 20
    assert len(opened) == 1


def test_pages_may_be_read_in_threads(tmp_path: Path):
    path = write(tmp_path / "a.tif", np.concatenate([STACK] * 8), compression="zlib")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda page: read_image(path, page)[0], range(32)))
    assert np.array_equal(found, np.concatenate([STACK] * 8))


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "I;16B", "I", "F", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_files_by_pillow_and_libtiff(mode: str, compression: str | None, tmp_path: Path):
    picture = Image.fromarray(RAMP).convert(mode) if ";" not in mode else Image.frombytes(mode, (17, 15), bytes(510))
    picture.save(tmp_path / "a.tif", compression=compression)
    expected = np.array(picture)
    expected = expected[..., :3] if mode == "RGBA" else expected[..., 0] if mode == "LA" else expected
    found = read_image(tmp_path / "a.tif")
    assert np.array_equal(found[0] if expected.ndim == 2 else np.moveaxis(found, 0, -1), expected)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_faxes(compression: str, tmp_path: Path):
    pixels = np.random.default_rng(0).random((15, 17)) > 0.5
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
    assert np.array_equal(read_image(tmp_path / "a.tif")[0], pixels)


def test_jpeg_colours_are_rgb(tmp_path: Path):
    array = np.zeros((32, 48, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    Image.fromarray(array).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    assert np.abs(read_image(tmp_path / "a.tif").astype(int) - np.array([200, 100, 50])[:, None, None]).max() <= 3


def test_without_a_photometric_tag_0_is_black(tmp_path: Path):
    path = write(tmp_path / "a.tif", RAMP, metadata=None)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x06\x01\x03\x00", b"\x07\x01\x03\x00"))  # the tag gets another number
    assert np.array_equal(read_image(path)[0], RAMP)


def test_one_file_of_an_ome_set_is_refused(tmp_path: Path):
    def elsewhere(text: str) -> str:
        plane = '<TiffData IFD="0" FirstT="1" PlaneCount="1"><UUID FileName="b.ome.tif">urn</UUID>'
        return text.replace('SizeT="2"', 'SizeT="3"').replace("</Pixels>", f"{plane}</TiffData></Pixels>")

    with pytest.raises(InputError, match="pages lie in other files"):
        count_pages(ome(tmp_path / "a.ome.tif", elsewhere))


def test_a_damaged_file_is_nothing_to_log(tmp_path: Path, capfd: pytest.CaptureFixture):
    path = write(tmp_path / "a.tif", STACK, imagej=True)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(InputError):
        pages(path)
    assert capfd.readouterr().err == ""


def test_another_file_that_is_called_tif_is_named(tmp_path: Path):
    Image.fromarray(RAMP).save(tmp_path / "a.tif", format="PNG")
    with pytest.raises(InputError, match=r"a\.tif is not a TIFF file, although its name says so\.$"):
        read_image(tmp_path / "a.tif")


def test_damage_anywhere_is_one_sentence(tmp_path: Path):
    path = write(tmp_path / "a.tif", STACK[:2], compression="lzw")
    sentences: list[str] = []
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for number in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content) if number % 2 else 300, 1 + number % 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            pages(path)
        except InputError as error:
            sentences.append(str(error))
    assert len(sentences) > 50
    assert not any("\n" in sentence for sentence in sentences)
