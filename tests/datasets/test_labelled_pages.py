from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from label_maps import odd_cells, page_labels
from PIL import Image

from unetpipe.datasets.labelled_pages import find_mask_files, read_labelled_pages
from unetpipe.errors import InputError
from unetpipe.io import write_label_pages, write_labels
from unetpipe.io.track_tables import Track, write_tracks


def pages_of(masks: Path, *arguments):
    return list(read_labelled_pages(find_mask_files(masks, *arguments)))


def test_single_images_and_stacks(tmp_path: Path):
    labels = odd_cells()
    write_labels(tmp_path / "masks" / "Zellen für Übung 1_mask.tif", labels)
    write_label_pages(tmp_path / "masks" / "stack_mask.tif", [labels, labels[::-1]])
    (tmp_path / "images").mkdir()
    Image.fromarray(np.full(labels.shape, 7, np.uint8)).save(tmp_path / "images" / "Zellen für Übung 1.png")
    pages = pages_of(tmp_path / "masks", tmp_path / "images")
    assert [(page.image, page.page, page.name, page.stack) for page in pages] == [
        ("Zellen für Übung 1.png", None, "Zellen für Übung 1", "Zellen für Übung 1"),
        ("stack_mask.tif", 0, "stack_000", "stack"),
        ("stack_mask.tif", 1, "stack_001", "stack"),
    ]
    assert np.array_equal(page_labels(pages[2]), labels[::-1])
    (cutout,) = pages[0].cutouts()
    assert set(np.unique(cutout.pixels)) == {7}
    assert pages[0].path == tmp_path / "images" / "Zellen für Übung 1.png"
    assert next(iter(pages[1].cutouts())).pixels is None


@pytest.mark.parametrize("stem", ["mask", "man_seg", "man_track"])
def test_sequences_with_their_images_and_tracks(tmp_path: Path, stem: str):
    (tmp_path / "01").mkdir()
    for frame in range(2):
        write_labels(tmp_path / "01_RES" / f"{stem}{frame:03d}.tif", odd_cells() * (odd_cells() == 4))
        Image.fromarray(np.full(odd_cells().shape, frame, np.uint8)).save(tmp_path / "01" / f"t{frame:03d}.tif")
    table = "man_track.txt" if stem == "man_track" else "res_track.txt"
    write_tracks(tmp_path / "01_RES" / table, [Track(2, 0, 0), Track(4, 1, 1, 2)])
    (tmp_path / "01_RES" / f"{stem}000b.tif").write_bytes((tmp_path / "01_RES" / f"{stem}000.tif").read_bytes())
    pages = pages_of(tmp_path / "01_RES", tmp_path / "01")
    assert [(page.image, page.page, page.name, page.stack) for page in pages][:2] == [
        ("t000.tif", 0, f"{stem}000", "01_RES"),
        ("t001.tif", 1, f"{stem}001", "01_RES"),
    ]
    assert pages[2].page is None
    assert (pages[0].tracks is None) == (stem == "man_seg")
    if stem != "man_seg":
        assert pages[1].tracks[4].parent == 2
    assert pages[2].tracks is None
    assert set(np.unique(next(iter(pages[1].cutouts())).pixels)) == {1}
    names = [f"01_RES/{stem}{frame:03d}.tif" for frame in range(2)]
    assert [(page.image, page.stack) for page in pages_of(tmp_path, None, names)] == [
        (name, "01_RES") for name in names
    ]


def test_one_mask_is_no_sequence(tmp_path: Path):
    write_labels(tmp_path / "mask007.tif", odd_cells())
    (page,) = pages_of(tmp_path / "mask007.tif")
    assert (page.image, page.page, page.stack) == ("mask007.tif", None, "mask007")


def test_names_that_do_not_fit_are_refused(tmp_path: Path):
    write_labels(tmp_path / "a.tif", odd_cells())
    (tmp_path / "images").mkdir()
    Image.new("L", (60, 40)).save(tmp_path / "images" / "b.png")
    with pytest.raises(InputError, match=r"No mask in .* has the name of an image in .*images"):
        find_mask_files(tmp_path, tmp_path / "images")
    write_labels(tmp_path / "a_mask.tif", odd_cells())
    with pytest.raises(InputError, match=r"a.tif and .*a_mask.tif would have the same name a"):
        find_mask_files(tmp_path)
