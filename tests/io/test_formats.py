"""Every format is found by its suffix, and has the members that reading and writing ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetpipe.errors import InputError
from unetpipe.io import formats, read_image, write_label_pages


def test_suffixes_are_of_one_format_each():
    assert len(set(formats.IMAGE_SUFFIXES)) == len(formats.IMAGE_SUFFIXES)
    for kind in formats.FORMATS:
        for suffix in kind.SUFFIXES:
            assert formats.format_of(f"a{suffix.upper()}") is kind
            assert formats.image_stem(f"a.b{suffix}") == "a.b"
    assert set(formats.LABEL_SUFFIXES) == {".tif", ".tiff", ".png", ".nii", ".nii.gz"}


def test_masks_are_not_written_in_a_format_for_images_only(tmp_path: Path):
    with pytest.raises(InputError, match=r"a\.npy cannot be written: masks are .*\.tif"):
        write_label_pages(tmp_path / "a.npy", [np.zeros((2, 3), int)])
    with pytest.raises(InputError, match="only for an image that is NIfTI"):
        write_label_pages(tmp_path / "a.nii", [np.zeros((2, 3), int)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".nd2", ".CZI", ".lif"])
def test_formats_of_microscopes_are_sent_to_a_converter(suffix: str, tmp_path: Path):
    (tmp_path / f"a{suffix}").write_bytes(b"")
    with pytest.raises(InputError, match=r"save it as OME-TIFF, as Fiji and bfconvert of Bio-Formats do"):
        read_image(tmp_path / f"a{suffix}")
