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
    """As images larger than memory are read: every third case, whole or a region that cuts strips and tiles."""
    compared = 0
    for number, case in enumerate(CASES[::3]):
        path = tmp_path / f"{number}.tif"
        if not check(case, tmp_path) or (case.dtype == "bool" and PAGES[case.pages][0][-1] in (2, 3)):
            continue
        (tmp_path / "a.tif").rename(path)
        image = TiffImage(path)
        assert image.pages == count_pages(path), case
        rows, columns = ((slice(0, 21), slice(0, 37)), (slice(6, 20), slice(31, 36)))[number % 2]
        for page in range(image.pages):
            whole = read_image(path, page)
            assert (image.channels, image.dtype, image.size) == (len(whole), whole.dtype, whole.shape[1:]), case
            part = image.read(page, rows, columns, image.dtype)
            np.testing.assert_array_equal(part, whole[:, rows, columns], str(case))
            compared += 1
        path.unlink()
    assert compared > 1000
