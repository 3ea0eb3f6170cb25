"""OME-Zarr and TIFF read lazily: any version, any axes, any part, mirrored beyond the border."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from large_images import ArrayImage, write_ome_zarr
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image
from unetpipe.large import LazyImage, OmeZarrImage, TiffImage, is_zarr
from unetpipe.large.images import find_large


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 60000, shape).astype(np.uint16)


@pytest.mark.parametrize(
    ("version", "axes", "shape"),
    [
        ("0.1", "tczyx", (2, 1, 1, 70, 90)),
        ("0.4", "yx", (70, 90)),
        ("0.4", "tczyx", (2, 3, 2, 70, 90)),
        ("0.5", "cyx", (3, 70, 90)),
        ("0.5", "tyx", (4, 70, 90)),
        ("0.5", "zyx", (2, 70, 90)),
    ],
)
def test_ome_zarr_of_any_version_and_axes(version: str, axes: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = pixels(*shape)
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, axes, version))
    channels = shape[axes.index("c")] if "c" in axes else 1
    whole = array if "c" in axes else np.expand_dims(array, axes.index("y"))
    order = [axis for axis in axes if axis not in "cyx"]
    if axes.index("y") and "c" in axes and "z" in axes:  # t c z y x → t z c y x
        whole = np.moveaxis(whole, 1, 2)
    stack = whole.reshape(-1, channels, 70, 90)
    assert (image.size, image.channels, image.pages) == ((70, 90), channels, len(stack))
    assert image.page_axes == "".join(order)
    for page, expected in enumerate(stack):
        assert np.array_equal(image.read(page, slice(13, 61), slice(40, 90)), expected[:, 13:61, 40:90])


TIFFS = {
    "uncompressed": {},
    "big-endian": {"byteorder": ">"},
    "tiles": {"tile": (32, 48), "compression": "lzw"},
    "strips": {"rowsperstrip": 7, "compression": "zlib"},
    "bigtiff": {"bigtiff": True, "tile": (16, 16)},
}


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff_of_any_layout(kind: str, tmp_path: Path) -> None:
    array = pixels(3, 70, 90)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", **TIFFS[kind])
    image = pickle.loads(pickle.dumps(TiffImage(tmp_path / "a.tif")))  # as it goes to other processes
    assert (image.size, image.channels, image.pages) == ((70, 90), 1, 3)
    for page in range(3):
        assert np.array_equal(image.read(page, slice(13, 61), slice(40, 90))[0], array[page, 13:61, 40:90])


def test_colour_tiff_has_channels(tmp_path: Path) -> None:
    array = pixels(70, 90, 3)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    image = TiffImage(tmp_path / "a.tif")
    assert (image.channels, image.pages) == (3, 1)
    assert np.array_equal(image.read(0, slice(0, 70), slice(0, 90)), np.moveaxis(array, -1, 0))


@pytest.mark.parametrize(("top", "left", "height", "width"), [(-20, -30, 200, 300), (60, 80, 50, 70), (5, 5, 10, 10)])
def test_mirrored_as_numpy_does(top: int, left: int, height: int, width: int, tmp_path: Path) -> None:
    array = pixels(70, 90)
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "yx", "0.5"))
    padded = np.pad(array, 300, mode="reflect")
    expected = padded[300 + top : 300 + top + height, 300 + left : 300 + left + width]
    assert np.array_equal(image.read_mirrored(0, top, left, height, width)[0], expected)


def test_identity_changes_with_the_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(20, 30))
    before = TiffImage(tmp_path / "a.tif").fingerprint()
    assert TiffImage(tmp_path / "a.tif").fingerprint() == before
    tifffile.imwrite(tmp_path / "a.tif", pixels(20, 31))
    assert TiffImage(tmp_path / "a.tif").fingerprint() != before


def test_identity_changes_with_the_chunks(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", pixels(20, 30), "yx", "0.5")
    before = OmeZarrImage(path).fingerprint()
    assert OmeZarrImage(path).fingerprint() == before
    zarr.open_array(path / "0")[3, 4] = 7  # the metadata stay
    assert OmeZarrImage(path).fingerprint() != before


@pytest.mark.parametrize(
    ("file", "name"),
    [("slide.ome.zarr", "slide"), ("slide.1.tif", "slide.1"), ("a_0.5um.OME.TIF", "a_0.5um"), ("plain", "plain")],
)
def test_names(file: str, name: str, tmp_path: Path) -> None:
    image = ArrayImage(np.zeros((2, 2)))
    image.path = tmp_path / file
    assert image.name == name


def test_images_with_one_result_are_refused(tmp_path: Path) -> None:
    for name in ("a.tif", "a.tiff"):
        tifffile.imwrite(tmp_path / name, pixels(20, 30))
    with pytest.raises(InputError, match=r"would both have the (result a\.ome\.zarr|mask)"):
        find_large(tmp_path, force=True)
    for name in ("b.zarr", "b.ome.zarr"):
        write_ome_zarr(tmp_path / "zarrs" / name, pixels(20, 30), "yx", "0.5")
    with pytest.raises(InputError, match=r"would both have the result b\.ome\.zarr; rename one"):
        find_large(tmp_path / "zarrs")


def test_images_of_other_kinds_beside_are_not_passed_over(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", pixels(20, 30), "yx", "0.5")
    assert [image.name for image, _ in find_large(tmp_path)] == ["a"]
    tifffile.imwrite(tmp_path / "b.tif", pixels(20, 30))
    with pytest.raises(InputError, match=r"OME-Zarr and other images, such as b\.tif"):
        find_large(tmp_path)
    assert [image.name for image, _ in find_large(tmp_path / "a.zarr")] == ["a"]


def read_all(image: LazyImage) -> np.ndarray:
    return image.read(image.pages - 1, slice(0, image.size[0]), slice(0, image.size[1]))


def set_metadata(path: Path, change) -> None:
    metadata = json.loads((path / "zarr.json").read_text())
    change(metadata["attributes"]["ome"]["multiscales"][0])
    (path / "zarr.json").write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image.update(datasets=[]), "cannot be understood"),
        (lambda image: image["datasets"][0].update(path="9"), "no readable array"),
        (lambda image: image.update(axes=image["axes"][:1]), "cannot be understood"),
        (lambda image: image["axes"][0].update(name="q"), "an image has y and x"),
        (lambda image: image["axes"][0].update(name="x"), "axes"),
        (lambda image: image["datasets"][0]["coordinateTransformations"][0].update(scale=[1]), "cannot be understood"),
    ],
)
def test_wrong_metadata_is_one_sentence(change, said: str, tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", pixels(20, 30), "yx", "0.5")
    set_metadata(path, change)
    with pytest.raises(InputError, match=said):
        OmeZarrImage(path)


def test_what_is_no_image(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "plain.zarr")
    zarr.create_array(tmp_path / "array.zarr", data=pixels(20, 30))
    zarr.create_group(tmp_path / "plate.zarr", attributes={"ome": {"plate": {}}})
    assert not is_zarr(tmp_path)
    for name, said in (("plain", "no multiscales"), ("array", "without OME metadata"), ("plate", "collection")):
        assert is_zarr(tmp_path / f"{name}.zarr")
        with pytest.raises(InputError, match=said):
            OmeZarrImage(tmp_path / f"{name}.zarr")


def test_a_collection_names_an_image_that_works(tmp_path: Path) -> None:
    plate = tmp_path / "plate.zarr"
    zarr.create_group(plate, attributes={"ome": {"plate": {"wells": [{"path": "A/1"}]}}})
    zarr.create_group(plate / "A")
    zarr.create_group(plate / "A" / "1", attributes={"ome": {"well": {"images": [{"path": "0"}]}}})
    write_ome_zarr(plate / "A" / "1" / "0", pixels(20, 30), "yx", "0.5")
    nested = tmp_path / "nested.zarr"
    zarr.create_group(nested)
    zarr.create_group(nested / "run")
    write_ome_zarr(nested / "run" / "10", pixels(20, 30), "yx", "0.5")
    write_ome_zarr(nested / "run" / "2", pixels(20, 30), "yx", "0.5")
    for folder, hint in ((plate, "A/1/0"), (plate / "A" / "1", "0"), (nested, "run/2")):
        with pytest.raises(InputError, match=rf"name one of them, such as {folder / hint}\.$"):
            OmeZarrImage(folder)
        assert OmeZarrImage(folder / hint).size == (20, 30)


def test_label_images_are_not_taken_for_images(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", pixels(20, 30), "yx", "0.5")
    zarr.create_group(path / "labels", attributes={"ome": {"labels": ["cells"]}})
    cells = write_ome_zarr(path / "labels" / "cells", pixels(20, 30), "yx", "0.5")
    group = zarr.open_group(cells)
    group.attrs["ome"] = {**group.attrs["ome"], "image-label": {}}
    with pytest.raises(InputError, match="is a label image; name the image that it belongs to, two folders above"):
        OmeZarrImage(cells)
    with pytest.raises(InputError, match="holds label images; name the image that they belong to, the folder above"):
        OmeZarrImage(path / "labels")


def test_the_finest_level_is_read_wherever_it_stands(tmp_path: Path) -> None:
    array = pixels(20, 30)
    path = write_ome_zarr(tmp_path / "a.zarr", array, "yx", "0.5")
    zarr.create_array(path / "half", data=array[::2, ::2])
    group = zarr.open_group(path)
    multiscales = group.attrs["ome"]["multiscales"][0]
    coarse = {"path": "half", "coordinateTransformations": [{"type": "scale", "scale": [2.0, 2.0]}]}
    multiscales["datasets"].insert(0, coarse)
    group.attrs["ome"] = {**group.attrs["ome"], "multiscales": [multiscales]}
    image = OmeZarrImage(path)
    assert np.array_equal(read_all(image).squeeze(), array)
    assert image.scale == (0.5, 0.5)


def test_missing_chunks_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", pixels(70, 90), "yx", "0.5")
    image = OmeZarrImage(path)
    image.check(1)
    assert not caplog.text
    number = image._array().nchunks
    next(file for file in sorted((path / "0" / "c").rglob("*")) if file.is_file()).unlink()
    image.check(1)
    assert f"1 of {number} chunks are not stored; their pixels are read as 0" in caplog.text


@pytest.mark.parametrize("name", ["µm", "\u03bcm", "um", "Micrometers", "microns", "micrometre"])
def test_units_as_writers_write_them(name: str) -> None:
    image = ArrayImage(np.zeros((2, 2)))
    image.scale, image.units = (0.5, 0.5), (name, name)
    assert image.pixel_size == 0.5


def test_pixels_that_are_not_square_are_said(caplog: pytest.LogCaptureFixture) -> None:
    image = ArrayImage(np.zeros((2, 2)))
    image.scale, image.units = (500.0, 0.5), ("nm", "um")
    image.check(1)
    assert not caplog.text
    image.scale = (250.0, 0.5)
    image.check(1)
    assert "pixels of 0.25 µm height and 0.5 µm width" in caplog.text


def test_corrupt_chunk_is_one_sentence(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", pixels(70, 90), "yx", "0.5")
    chunk = path / "0" / "c" / "1" / "1"
    chunk.write_bytes(chunk.read_bytes()[:9])
    with pytest.raises(InputError, match=r"a\.zarr cannot be read in rows 0 to 69, columns 0 to 89 of page 0"):
        read_all(OmeZarrImage(path))


@pytest.mark.parametrize("kind", ["uncompressed", "tiles", "strips"])
def test_truncated_tiff_is_one_sentence(kind: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(70, 90), **TIFFS[kind])
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match=r"a\.tif cannot be read"):
        read_all(TiffImage(tmp_path / "a.tif"))


@pytest.mark.parametrize("bigtiff", [False, True])
def test_tiff_that_lost_its_last_pages(bigtiff: bool, tmp_path: Path) -> None:
    """Cut off between two pages, all that is left can be read: the last page alone says that another one follows."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for page in pixels(4, 20, 30):
            file.write(page, metadata=None)
    assert TiffImage(path).pages == 4
    with tifffile.TiffFile(path) as file:
        third = file.pages[2].offset
    path.write_bytes(path.read_bytes()[:third])
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 2  # in silence
    with pytest.raises(InputError, match=r"page 2 is missing\); is it complete"):
        TiffImage(path)


def test_pixels_that_are_no_numbers(tmp_path: Path) -> None:
    array = np.ones((20, 30), np.float32)
    array[3, 4] = np.nan
    with pytest.raises(InputError, match="NaN"):
        read_all(OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "yx", "0.5")))


def write_variant(path: Path, kind: str) -> None:
    """Write a TIFF of a kind that takes more than decoding."""
    grey = pixels(70, 90)
    options: dict = {"photometric": "minisblack"}
    if kind == "pages one by one":
        with tifffile.TiffWriter(path) as file:
            for page in (grey, grey // 2, grey // 3):
                file.write(page, photometric="minisblack", compression="lzw", metadata=None)
        return
    if kind == "a thumbnail":
        with tifffile.TiffWriter(path) as file:
            file.write(grey, metadata=None, photometric="minisblack")
            file.write(grey[::4, ::4], metadata=None, photometric="minisblack", subfiletype=1)
        return
    if kind == "planes behind one directory":
        tifffile.imwrite(path, grey, metadata=None, description="ImageJ=1.54\nimages=2\nslices=2\n", **options)
        path.write_bytes(path.read_bytes() + (grey // 2).tobytes())
        return
    if kind == "CCITT":
        Image.fromarray(grey > 30000).save(path, compression="group4")
        return
    array, options = {
        "palette": (grey.astype(np.uint8), {"photometric": "palette", "colormap": pixels(3, 256)}),
        "white as 0": (grey, {"photometric": "miniswhite", "rowsperstrip": 9, "compression": "zlib"}),
        "alpha": (pixels(70, 90, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"], "tile": (16, 16)}),
        "12 bits": (grey >> 4, {"bitspersample": 12, "rowsperstrip": 8, **options}),
        "JPEG": (pixels(70, 90, 3).astype(np.uint8), {"photometric": "rgb", "compression": "jpeg", "tile": (32, 32)}),
        "time before channels": (pixels(2, 3, 70, 90), {"imagej": True, "metadata": {"axes": "TCYX"}, **options}),
        "channels before time": (pixels(3, 2, 70, 90), {"ome": True, "metadata": {"axes": "CTYX"}, **options}),
        "three page axes": (pixels(2, 2, 3, 70, 90), {"metadata": {"axes": "TRZYX"}, **options}),
    }[kind]
    tifffile.imwrite(path, array, **options)


VARIANTS = [
    *("palette", "white as 0", "alpha", "12 bits", "JPEG", "CCITT", "pages one by one", "a thumbnail"),
    *("planes behind one directory", "time before channels", "channels before time", "three page axes"),
]


@pytest.mark.parametrize("kind", VARIANTS)
def test_tiff_in_parts_is_what_it_is_in_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "channels before time" else "a.tif")
    write_variant(path, kind)
    image = TiffImage(path)
    assert image.pages == count_pages(path)
    for page in range(image.pages):
        whole = read_image(path, page)
        assert (image.channels, image.dtype, image.size) == (len(whole), whole.dtype, whole.shape[1:])
        assert whole.std() > 0
        for rows, columns in ((slice(0, 70), slice(0, 90)), (slice(33, 41), slice(15, 66))):
            assert np.array_equal(image.read(page, rows, columns, image.dtype), whole[:, rows, columns])


def test_pages_of_different_sizes_are_not_read_in_parts(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (pixels(20, 30), pixels(30, 20)):
            file.write(page, photometric="minisblack", metadata=None)
    with pytest.raises(InputError, match=r"a\.tif has pages that differ in size, channels or type"):
        TiffImage(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.stack([pixels(20, 30)] * 3, -1), photometric="cielab")
    with pytest.raises(InputError, match=r"b\.tif holds CIELAB colours; save it as grey values or RGB"):
        TiffImage(tmp_path / "b.tif")


def test_one_channel_is_read(tmp_path: Path) -> None:
    array = pixels(3, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "CYX"})
    images = TiffImage(tmp_path / "a.tif"), OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "cyx", "0.5"))
    for image in images:
        with pytest.raises(InputError, match=r"has 3 channel\(s\), the network takes 1; choose one .* by --channel"):
            image.check(1)
        chosen = image.of_channel(1)
        chosen.check(1)
        assert chosen.channels == 1
        assert np.array_equal(chosen.read(0, slice(3, 9), slice(0, 30)), array[1:2, 3:9])
        assert chosen.fingerprint() != image.of_channel(2).fingerprint()
        with pytest.raises(InputError, match=r"has 3 channel\(s\), counted from 0; it has no channel 3"):
            image.of_channel(3).check(1)


def test_channels_have_to_fit(tmp_path: Path) -> None:
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", pixels(3, 20, 30), "cyx", "0.5"))
    with pytest.raises(InputError, match=r"3 channel\(s\), the network takes 1"):
        image.check(1)


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [("nanometer", 0.004), ("micrometer", 4), ("millimeter", 4000), ("parsec", None), (None, None)],
)
def test_pixel_size_in_micrometres(unit: str | None, micrometres: float | None, tmp_path: Path) -> None:
    folder = write_ome_zarr(tmp_path / "a.zarr", pixels(20, 20), "yx", "0.5")
    about = json.loads((folder / "zarr.json").read_text())
    (multiscales,) = about["attributes"]["ome"]["multiscales"]
    for axis in multiscales["axes"]:
        axis.pop("unit", None)
        axis.update({"unit": unit} if unit else {})
    (dataset,) = multiscales["datasets"]
    dataset["coordinateTransformations"] = [{"type": "scale", "scale": [4.0, 4.0]}]
    (folder / "zarr.json").write_text(json.dumps(about))
    assert OmeZarrImage(folder).pixel_size == (None if micrometres is None else pytest.approx(micrometres))
