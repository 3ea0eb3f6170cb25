"""What tifffile writes, in every combination of its options, is read as the array that was written."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile

from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image, read_labels
from unetpipe.large import TiffImage

TYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
COMPRESSIONS = [None, "lzw", "zlib", "packbits", "zstd", "lzma"]
BYTE_ORDERS = "<>"
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "BigTIFF": {"bigtiff": True, "rowsperstrip": 5},
}
# of the array that is written, and how
PAGES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "grey": ((21, 37), {"photometric": "minisblack"}),
    "three pages": ((3, 21, 37), {"photometric": "minisblack"}),
    "RGB": ((21, 37, 3), {"photometric": "rgb"}),
    "planes of RGB": ((3, 21, 37), {"photometric": "rgb", "planarconfig": "separate"}),
    "two pages of RGB": ((2, 21, 37, 3), {"photometric": "rgb"}),
    "two channels": ((21, 37, 2), {"photometric": "minisblack", "planarconfig": "contig"}),
}


class Case(NamedTuple):
    dtype: str
    compression: str | None
    predictor: bool
    byteorder: str
    layout: str
    pages: str


CASES = [
    Case(*values)
    for values in itertools.product(TYPES, COMPRESSIONS, (False, True), BYTE_ORDERS, LAYOUTS, PAGES)
    if not (values[2] and (values[0] == "bool" or values[1] in (None, "packbits")))
]


def check(case: Case, folder: Path) -> bool:
    """Write and read a case; return False if tifffile cannot write it."""
    shape, options = PAGES[case.pages]
    rng = np.random.default_rng(len(case.dtype) + len(shape))
    if case.dtype == "bool":
        array = rng.random(shape) > 0.5
    elif case.dtype[0] == "f":
        array = rng.normal(0, 100, shape).astype(case.dtype)
    else:
        limits = np.iinfo(case.dtype)
        array = rng.integers(limits.min, limits.max, shape, np.dtype(case.dtype), endpoint=True)
    path = folder / "a.tif"
    try:
        tifffile.imwrite(
            path,
            array,
            compression=case.compression,
            predictor=case.predictor,
            byteorder=case.byteorder,  # type: ignore[arg-type]
            **LAYOUTS[case.layout],
            **options,
        )
    except (ValueError, NotImplementedError, TypeError):
        return False
    if case.dtype == "bool" and array.shape[-1] in (2, 3):
        with pytest.raises(InputError, match="several 1-bit samples a pixel"):
            read_image(path, 0)
        return True
    stacked = case.pages in ("three pages", "two pages of RGB")
    pages = array if stacked else array[None]
    assert count_pages(path) == len(pages), case
    for number, expected in enumerate(pages):
        if expected.ndim == 2:
            expected = expected[None]
        elif expected.shape[-1] < 4:
            expected = np.moveaxis(expected, -1, 0)
        found = read_image(path, number)
        assert found.dtype == expected.dtype, case
        np.testing.assert_array_equal(found, expected, str(case))
        if len(expected) == 1 and expected.dtype.kind in "bu" and expected.max() < 2**31:
            np.testing.assert_array_equal(read_labels(path, number), expected[0], str(case))
    return True


@pytest.mark.parametrize("dtype", TYPES)
def test_all_combinations(dtype: str, tmp_path: Path) -> None:
    written = [check(case, tmp_path) for case in CASES if case.dtype == dtype]
    assert sum(written) > 200


def test_read_in_parts_a_file_has_the_same_pixels(tmp_path: Path) -> None:
    """As images larger than memory are read; float32 there, so types of more digits are left out."""
    exact = [case for case in CASES if case.dtype in ("u1", "i1", "u2", "i2", "f2", "f4")]
    for case in exact[::29]:
        if check(case, tmp_path):
            image = TiffImage(tmp_path / "a.tif")
            assert image.pages == count_pages(tmp_path / "a.tif"), case
            for page in range(image.pages):
                part = image.read(page, slice(0, image.size[0]), slice(0, image.size[1]))
                assert np.array_equal(part, read_image(tmp_path / "a.tif", page)), case
