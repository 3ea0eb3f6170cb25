from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from label_maps import odd_cells, small_maps
from large_images import ArrayImage, write_ome_zarr

from unetpipe.errors import InputError
from unetpipe.export import export_cells
from unetpipe.large.cells import lazy_pages, result_pages
from unetpipe.morphometry import LabelledPage, measure_cells
from unetpipe.morphometry.cells import measure_cutout


def measured(page: LabelledPage) -> dict[str, np.ndarray]:
    """Return the columns of all cutouts, by rising id."""
    parts = [measure_cutout(page, cutout) for cutout in page.cutouts()]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["id"])
    return {name: values[order] for name, values in columns.items()}


def check(labels: np.ndarray, side: int) -> None:
    """Check that blocks give what memory gives."""
    random = np.random.default_rng(0)
    image, probability = random.integers(0, 65535, (2, *labels.shape), np.uint16), random.random(labels.shape)
    probability = probability.astype(np.float32)
    pages = lazy_pages(
        ArrayImage(labels), ArrayImage(image, "cyx"), ArrayImage(probability), "name", pixel_size=0.5, side=side
    )
    (page,) = pages
    expected = measure_cells(labels, image, probability, 0.5)
    if not labels.any():
        assert list(page.cutouts()) == []
        return
    found = measured(page)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if "centroid" in name:  # sums in another order
            assert found[name] == pytest.approx(values, rel=1e-12)
        else:
            assert np.array_equal(found[name], values), name


@given(small_maps)
@settings(max_examples=50)
def test_blocks_measure_what_memory_measures(labels: np.ndarray):
    check(labels, side=3)


@pytest.mark.parametrize("side", [1, 7, 16, 100])
def test_odd_cells_in_blocks(side: int):
    check(odd_cells(), side)


def test_high_ids_in_blocks():
    check(np.where(odd_cells() > 0, odd_cells().astype(np.int64) + 2**40, 0), 16)


def test_exports_of_blocks_are_those_of_memory(tmp_path: Path):
    labels = odd_cells()
    pages = list(lazy_pages(ArrayImage(labels), name="a", side=16))
    (page,) = pages
    whole = np.zeros_like(labels)
    for cutout in page.cutouts():
        height, width = cutout.labels.shape
        part = whole[cutout.top : cutout.top + height, cutout.left : cutout.left + width]
        part[cutout.labels > 0] = cutout.labels[cutout.labels > 0]
    assert np.array_equal(whole, labels)
    coco = pytest.importorskip("pycocotools.coco").COCO
    (path,) = export_cells("coco", tmp_path, pages)
    data, again = coco(str(path)), np.zeros_like(labels)
    for annotation in data.dataset["annotations"]:
        again[data.annToMask(annotation).astype(bool)] = annotation["cell_id"]
    assert np.array_equal(again, labels)


def test_memory_is_that_of_blocks():
    labels = np.kron(np.arange(1, 2501, dtype=np.int32).reshape(50, 50), np.ones((40, 40), np.int32))
    labels[::40] = 0
    tracemalloc.start()
    try:
        (page,) = lazy_pages(ArrayImage(labels), side=200)
        count = sum(len(measure_cutout(page, cutout)["id"]) for cutout in page.cutouts())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2500
    assert peak < labels.nbytes / 2


def write_result(folder: Path, attributes: dict, labels: int = 1) -> tuple[Path, np.ndarray]:
    """Write an image of two time points with label images in it."""
    cells = np.stack([odd_cells(), odd_cells()[::-1]])
    image = np.where(cells > 0, 0.75, 0.25).astype(np.float32)
    path = write_ome_zarr(folder / "Übung 1.ome.zarr", image, "tyx", "0.5")
    names = ["cells", "nuclei"][:labels]
    zarr.create_group(path / "labels", attributes={"ome": {"version": "0.5", "labels": names}})
    for name in names:
        write_ome_zarr(path / "labels" / name, cells, "tyx", "0.5")
    zarr.open_group(path, mode="r+").attrs.update(attributes)
    return path, cells


def test_a_result_is_measured_with_its_probability(tmp_path: Path):
    path, cells = write_result(tmp_path, {"unetpipe": {}})
    pages = list(result_pages(path))
    assert [(page.image, page.page, page.name, page.stack) for page in pages] == [
        ("Übung 1", 0, "Übung 1_000", "Übung 1"),
        ("Übung 1", 1, "Übung 1_001", "Übung 1"),
    ]
    for page, labels in zip(pages, cells, strict=True):
        found = measured(page)
        assert found["id"].tolist() == np.unique(labels[labels > 0]).tolist()
        assert set(found["confidence"].tolist()) == {0.75}
        assert "intensity_mean_0" not in found


def test_labels_of_other_programs_are_measured_with_their_image(tmp_path: Path):
    path, _ = write_result(tmp_path, {})
    found = measured(next(result_pages(path)))
    assert set(found["intensity_mean_0"].tolist()) == {0.75}
    assert "confidence" not in found
    assert "intensity_mean_0" not in measured(next(result_pages(path / "labels" / "cells")))


def test_what_is_no_label_image_is_refused(tmp_path: Path):
    path, _ = write_result(tmp_path, {}, labels=2)
    with pytest.raises(InputError, match=r"has several label images; name one of them, such as .*labels/cells"):
        next(result_pages(path))
    with pytest.raises(InputError, match="holds float32 in 1 channel"):
        next(lazy_pages(ArrayImage(np.zeros((5, 5), np.float32))))
    with pytest.raises(InputError, match=r"has 1 page.s. of 5×6 pixels .* have 1 of 5×5"):
        next(lazy_pages(ArrayImage(np.zeros((5, 5), int)), ArrayImage(np.zeros((5, 6)))))
