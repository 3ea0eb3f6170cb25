"""Cells that fill a field: by hand, broken, and the real corneal endothelium."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.datasets import find_images, find_records, read_truth, recognise
from unetpipe.errors import InputError

FIELD = np.zeros((6, 9), np.uint8)
FIELD[1:6, 1:8] = 255
BORDER = FIELD.copy()
BORDER[2:5, 2:4], BORDER[2:5, 5:7] = 0, 0  # two cells of 3 × 2 with lines around
RGBA = np.dstack([BORDER] * 3 + [np.full_like(BORDER, 255)])


@pytest.fixture
def endothelium(tmp_path: Path) -> Path:
    for folder, pixels in (("images", BORDER), ("borders", BORDER), ("field", FIELD)):
        (tmp_path / folder).mkdir()
        for name in ("1A", "2A"):
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def test_cells_are_what_the_borders_part_inside_the_field(endothelium: Path):
    assert recognise(endothelium) == "borders"
    Image.fromarray(RGBA).save(endothelium / "borders" / "1A.png")
    label, known = read_truth(find_records(endothelium)[0])
    assert np.array_equal(known, FIELD > 0)
    assert np.unique(label).tolist() == [0, 1, 2]
    assert (label[2:5, 2:4] == 1).all()
    assert np.array_equal(label > 0, (FIELD > 0) & (BORDER == 0))


def test_images_are_segmented_not_borders(endothelium: Path):
    assert {Path(record["image"]).parent.name for record in find_images(endothelium)} == {"images"}


@pytest.mark.parametrize(("folder", "name"), [("field", "2A.png"), ("images", "1A.png")])
def test_missing_partner_is_one_sentence(folder: str, name: str, endothelium: Path):
    (endothelium / folder / name).unlink()
    with pytest.raises(InputError, match=rf"borders.{name} has no file {name[:2]} in .*{folder}"):
        find_records(endothelium)


def test_field_of_another_size(endothelium: Path):
    Image.fromarray(FIELD[:4]).save(endothelium / "field" / "1A.png")
    with pytest.raises(InputError, match=r"1A\.png is 4×9 pixels \(height × width\), .* is 6×9"):
        read_truth(find_records(endothelium)[0])


def test_real_endothelium(real_data: Path):
    records = find_records(real_data / "alizarine")
    assert len(records) == 24
    for record in records[::8]:
        label, known = read_truth(record)
        assert label.shape == known.shape == (576, 768)
        assert 200 < label.max() < 500
        assert not label[~known].any()


@pytest.mark.parametrize("folder", ["images", "borders", "field"])
def test_two_files_of_one_name_are_refused(folder: str, endothelium: Path):
    Image.fromarray(BORDER).save(endothelium / folder / "1A.tif")
    with pytest.raises(InputError, match=rf"{folder}/1A\.png and .*{folder}/1A\.tif have one name; keep one of them"):
        find_records(endothelium)
