"""Results of ``unetpipe segment --large``, opened as a user opens them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("npe2", reason='napari is not installed: pip install "unetpipe[napari]"')

import zarr
from napari.components import ViewerModel
from napari.plugins import _initialize_plugins

from unetpipe.datasets.synthetic import synthetic_frame, write_synthetic_ome_zarr
from unetpipe.io.images import write_image_pages
from unetpipe.morphometry.confidence import cell_confidences, confidence_by_id
from unetpipe.napari.reader import get_reader

pytestmark = pytest.mark.napari


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, screen: None) -> Path:
    """A stack without a pyramid in a subfolder, and an image with one; with their table."""
    root = tmp_path_factory.mktemp("groß")
    pages = [synthetic_frame(np.random.default_rng(seed), (192, 256))[0][None] for seed in range(2)]
    write_image_pages(root / "sequences" / "01" / "t000.tif", pages)
    write_synthetic_ome_zarr(root / "images" / "wide.ome.zarr", (200, 600))
    for images in ("sequences", "images"):
        command = [sys.executable, "-m", "unetpipe", "segment", root / images, "--output", root / "results" / images]
        segmented = subprocess.run(
            [*command, "--large", "--tables", "--model", "fluo_sim"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=800,
        )
        assert segmented.returncode == 0, segmented.stdout + segmented.stderr
    return root / "results"


@pytest.fixture
def viewer() -> ViewerModel:
    _initialize_plugins()
    return ViewerModel()


def test_a_stack_has_one_id_for_each_cell_and_can_be_corrected(results: Path, viewer: ViewerModel) -> None:
    path = results / "sequences" / "01_RES" / "t000.ome.zarr"
    probability, cells = viewer.open(str(path), plugin="unetpipe")
    assert (probability.visible, cells.visible) == (False, True)
    assert isinstance(cells.data, np.ndarray)
    stored = zarr.open_array(path / "labels" / "cells" / "0", mode="r")[:]
    np.testing.assert_array_equal(cells.data[0], stored[0])
    np.testing.assert_array_equal(cells.data[1], np.where(stored[1] > 0, stored[1] + stored[0].max(), 0))
    table = cells.features
    assert len(table) == len(np.unique(cells.data)) - 1 > 2
    pages = zip(cells.data, np.asarray(probability.data), strict=True)
    expected = [confidence_by_id(labels, cell_confidences(labels, page)) or {} for labels, page in pages]
    confidences = {number: confidence for page in expected for number, confidence in page.items()}
    for _, row in table.iterrows():
        assert np.count_nonzero(cells.data == row["index"]) == row["area"]
        assert row["confidence"] == pytest.approx(confidences[row["index"]], rel=1e-4)


def test_an_image_has_its_pyramid_and_its_scale(results: Path, viewer: ViewerModel) -> None:
    probability, cells = viewer.open(str(results / "images" / "wide.ome.zarr"), plugin="unetpipe")
    assert [level.shape for level in cells.data] == [(200, 600), (100, 300)]
    assert [level.shape for level in probability.data] == [(200, 600), (100, 300)]
    np.testing.assert_array_equal(cells.scale, [0.5, 0.5])
    assert str(cells.units[0]) == "micrometer"
    assert cells.features["index"].tolist() == np.unique(np.asarray(cells.data[0]))[1:].tolist()
    assert "confidence" in str(cells.get_status(np.argwhere(np.asarray(cells.data[0]) == 3)[0] * 0.5, world=True))


def test_other_folders_are_left_to_other_plugins(results: Path, tmp_path: Path) -> None:
    assert get_reader(str(results.parent / "images" / "wide.ome.zarr")) is None  # an image, not a result
    assert get_reader(str(tmp_path)) is None
    assert get_reader([str(results / "images" / "wide.ome.zarr")]) is None
