"""MetaImage, NRRD, MRC and DICOM: slices as they are stored, and one sentence for what is not read."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import itk
import numpy as np
import pytest

from unetpipe.datasets import find_images, find_records, read_truth
from unetpipe.errors import InputError
from unetpipe.io import count_pages, read_image
from unetpipe.io.images import image_size

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


def test_numbers_that_are_not_read(tmp_path: Path):
    header = "NRRD0004\ntype: int8\ndimension: 2\nsizes: 4 3\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(header.encode() + bytes(12))
    with pytest.raises(InputError, match=r"a\.nrrd holds 1 × (signed_)?char; only grey values"):
        read_image(tmp_path / "a.nrrd")


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
    with pytest.raises(InputError, match="must be one file beside it"):
        read_image(tmp_path / "b" / f"a{suffix}")
