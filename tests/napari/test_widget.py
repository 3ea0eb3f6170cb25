"""The widget in a real viewer: what it shows is what ``unetpipe.segment`` finds, and what it saves trains."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("npe2", reason='napari is not installed: pip install "unetpipe[napari]"')

import dask.array
import napari
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

import unetpipe
from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.datasets import find_records, read_truth
from unetpipe.datasets.synthetic import synthetic_frame
from unetpipe.io import read_image
from unetpipe.napari.widget import CellWidget

pytestmark = pytest.mark.napari

MODEL = "nuclei"
CELLS = synthetic_frame(np.random.default_rng(3), (192, 256))[0]
STACK = np.stack([CELLS[:96, :128], CELLS[:96, 128:], CELLS[96:, :128]])


def wait_for(what: Callable[[], Any], seconds: float = 300) -> None:
    """Let the window work until something has come true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        QApplication.processEvents()
        time.sleep(0.01)


def sentences() -> list[str]:
    return [note.message for note in notification_manager.records]


@pytest.fixture
def viewer(screen: None) -> Iterator[napari.Viewer]:
    notification_manager.records.clear()
    opened = napari.Viewer(show=True)
    yield opened
    opened.close()
    QApplication.processEvents()


@pytest.fixture
def widget(viewer: napari.Viewer) -> CellWidget:
    """The widget as a user opens it, from the menu of plugins."""
    _, opened = viewer.window.add_plugin_dock_widget("unetpipe", "Segment cells")
    assert isinstance(opened, CellWidget)
    return opened


def segment(widget: CellWidget) -> None:
    """Press the button, and wait."""
    widget.run.changed.emit(True)
    wait_for(lambda: widget.run.enabled)


def same_cells(labels: np.ndarray, expected: np.ndarray) -> None:
    """Compare pages, of which the ids in a layer go on from page to page."""
    assert labels.shape == expected.shape
    last = 0
    for page, wanted in zip(
        labels.reshape(-1, *labels.shape[-2:]), expected.reshape(-1, *labels.shape[-2:]), strict=True
    ):
        np.testing.assert_array_equal(page, np.where(wanted > 0, wanted + last, 0))
        last += wanted.max()


def picture_of(viewer: napari.Viewer, layer: Labels, path: Path) -> None:
    """Write the picture of docs/napari.md: the window, with the mouse over a cell."""
    viewer.window.resize(1180, 680)
    row, column = np.argwhere(layer.data == 20).mean(0)
    viewer.reset_view()
    viewer.status = layer.get_status((row, column), world=True)
    end = time.monotonic() + 2  # until it is drawn
    while time.monotonic() < end:
        QApplication.processEvents()
    window = Image.fromarray(viewer.screenshot(canvas_only=False)).convert("RGB")
    window.quantize(256).save(path, optimize=True)


def test_an_image_is_segmented_corrected_saved_and_trains(
    viewer: napari.Viewer, widget: CellWidget, tmp_path: Path
) -> None:
    files = [tmp_path / f"Zellen Größe {number}.png" for number in range(2)]
    for number, path in enumerate(files):
        Image.fromarray(np.rot90(CELLS, 2 * number)).save(path)
    viewer.open(str(files[0]))
    assert widget.model.choices == ("", *model_names(find_bundle()))
    widget.model.value = MODEL
    segment(widget)

    layer = viewer.layers["Zellen Größe 0 cells"]
    expected = unetpipe.segment(CELLS, model=MODEL, return_result=True)
    assert expected.labels.max() > 5
    same_cells(layer.data, expected.labels)
    np.testing.assert_array_equal(layer.features["area"], expected.table["area"])
    row, column = np.argwhere(layer.data == 3)[0]
    shown = layer.get_status((row, column), world=True)
    said = re.search(r"confidence: ([\d.]+)", str(shown))
    assert said is not None
    assert float(said[1]) == pytest.approx(expected.table["confidence"][2], abs=0.01)
    if os.environ.get("UNETPIPE_SCREENSHOT"):
        picture_of(viewer, layer, Path(os.environ["UNETPIPE_SCREENSHOT"]))

    layer.data[layer.data == 3] = 0  # a correction
    layer.selected_label = 500
    layer.paint((5, 5), 500)
    widget.folder.value = tmp_path / "für Training"
    widget.save.changed.emit(True)
    widget.image.value = viewer.open(str(files[1]))[0]
    segment(widget)
    widget.save.changed.emit(True)
    records = find_records(tmp_path / "für Training")
    assert len(records) == 2
    np.testing.assert_array_equal(read_image(records[0]["image"]), CELLS[None])
    truth = read_truth(records[0])[0]
    np.testing.assert_array_equal(truth > 0, layer.data > 0)
    assert truth.max() == expected.labels.max()  # one less, and one that was drawn

    output = tmp_path / "trained"
    command = [sys.executable, "-m", "unetpipe", "train", str(tmp_path / "für Training"), "--output", str(output)]
    settings = {"max_epochs": 2, "steps_per_epoch": 2, "val_interval": 1, "tile": 204, "progress": "false"}
    options = [f"--set={key}={value}" for key, value in settings.items()]
    trained = subprocess.run(
        [*command, "--from", MODEL, *options], capture_output=True, text=True, encoding="utf-8", timeout=800
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert unetpipe.segment(CELLS, output).shape == CELLS.shape


def test_a_dask_stack_whole_and_one_slice(viewer: napari.Viewer, widget: CellWidget, tmp_path: Path) -> None:
    lazy = dask.array.from_array(STACK, chunks=(1, 96, 128))
    image = viewer.add_image(lazy, name="a/b", scale=(2, 0.5, 0.5), units=("s", "um", "um"))
    assert [(widget.axes.value), *widget.axes.choices] == ["TYX", "TYX", "CYX"]
    assert widget.pixel_size.value == 0.5
    widget.model.value = MODEL
    segment(widget)
    whole = widget.cells.value
    expected = unetpipe.segment(STACK, model=MODEL, axes="nyx")
    same_cells(whole.data, expected)
    np.testing.assert_array_equal(whole.scale, image.scale)
    assert set(whole.features["page"]) == {0, 1, 2}

    widget.which.value = "current slice"
    viewer.dims.set_current_step(0, 1)
    widget.image.value = image
    segment(widget)
    one = widget.cells.value
    assert one is not whole
    np.testing.assert_array_equal(one.data, expected[1:2])
    np.testing.assert_array_equal(one.translate, (2, 0, 0))  # it lies on its slice only

    widget.folder.value = tmp_path
    widget.save.changed.emit(True)
    widget.cells.value = whole
    widget.save.changed.emit(True)
    by_image = {Path(record["image"]).name: record for record in find_records(tmp_path) if not record.get("page")}
    assert set(by_image) == {"a_b.tif", "a_b_001.tif"}
    np.testing.assert_array_equal(read_truth(by_image["a_b_001.tif"])[0], expected[1])
    np.testing.assert_array_equal(read_truth(by_image["a_b.tif"])[0], expected[0])
    np.testing.assert_array_equal(read_image(by_image["a_b_001.tif"]["image"])[0], STACK[1])


def test_channels_colours_and_axes_with_names(viewer: napari.Viewer, widget: CellWidget) -> None:
    channels = np.stack([CELLS, CELLS // 2, CELLS[::-1]])
    viewer.add_image(channels, axis_labels=("channel", "y", "x"), translate=(0, 10, 20))
    assert widget.axes.value == "CYX"
    widget.model.value = MODEL
    segment(widget)
    expected = unetpipe.segment(np.moveaxis(channels, 0, -1), model=MODEL, axes="yxc")
    np.testing.assert_array_equal(widget.cells.value.data, expected)
    np.testing.assert_array_equal(widget.cells.value.translate, (10, 20))
    with_alpha = np.dstack([np.moveaxis(channels, 0, -1), np.full(CELLS.shape, 255, np.uint8)])
    widget.image.value = viewer.add_image(with_alpha, rgb=True)
    assert widget.axes.choices == ("YXC",)
    segment(widget)
    np.testing.assert_array_equal(widget.cells.value.data, expected)


def test_cancel_leaves_no_layer_and_the_next_run_works(viewer: napari.Viewer, widget: CellWidget) -> None:
    viewer.add_image(STACK)
    widget.model.value = MODEL
    widget.run.changed.emit(True)
    assert (widget.run.enabled, widget.cancel.enabled) == (False, True)
    widget.cancel.changed.emit(True)
    wait_for(lambda: widget.run.enabled)
    assert len(viewer.layers) == 1
    assert sentences() == []
    segment(widget)
    assert len(viewer.layers) == 2


def test_cancel_after_the_last_layer_leaves_no_layer_either(viewer: napari.Viewer, widget: CellWidget) -> None:
    viewer.add_image(STACK)
    widget.model.value = MODEL
    widget.run.changed.emit(True)
    assert QThreadPool.globalInstance().waitForDone(300_000)  # the window has not yet heard of the result
    widget.cancel.changed.emit(True)
    wait_for(lambda: widget.run.enabled)
    assert len(viewer.layers) == 1
    assert sentences() == []


def test_the_slider_hides_unsure_cells_which_are_not_saved(
    viewer: napari.Viewer, widget: CellWidget, tmp_path: Path
) -> None:
    viewer.add_image(np.zeros((4, 6), np.uint8), name="image")
    labels = np.zeros((4, 6), np.int32)
    labels[0, 0:2], labels[2, 2:4], labels[3, 5] = 1, 2, 9  # 9 was drawn by hand
    features = {"index": [1, 2], "confidence": [0.9, 0.4]}
    layer = viewer.add_labels(labels, features=features)
    plain = layer.colormap

    def shown() -> set[int]:
        return {label for label in (1, 2, 9) if layer.colormap.map(label)[3] > 0}

    widget.cells.value = layer
    for least, seen in ((0.5, {1, 9}), (0.95, {9}), (0.4, {1, 2, 9}), (0.41, {1, 9})):
        widget.least.value = least
        assert shown() == seen
    widget.folder.value = tmp_path / "pairs"
    widget.save.changed.emit(True)
    (record,) = find_records(tmp_path / "pairs")
    np.testing.assert_array_equal(read_truth(record)[0] > 0, np.isin(labels, [1, 9]))

    other = viewer.add_labels(np.zeros((4, 6), int), name="drawn")
    widget.cells.value = other
    assert widget.least.value == 0
    widget.least.value = 0.5
    assert "confidence of the cells of drawn is not known" in sentences()[-1]
    widget.cells.value = layer
    assert widget.least.value == 0.41
    widget.least.value = 0
    assert layer.colormap is plain
    assert shown() == {1, 2, 9}


def test_mistakes_are_notifications_of_one_sentence(viewer: napari.Viewer, widget: CellWidget, tmp_path: Path) -> None:
    def says(sentence: str, press: Any) -> None:
        notification_manager.records.clear()
        press.changed.emit(True)
        wait_for(lambda: widget.run.enabled)
        (note,) = notification_manager.records
        assert sentence in note.message
        assert note.severity.value == "error"
        assert "\n" not in note.message
        assert len(viewer.layers) == layers

    layers = 0
    says("There is no image", widget.run)
    says("There is no image", widget.save)
    viewer.add_image(np.full((40, 50), np.nan), name="Lücken")
    layers = 1
    says("NaN", widget.run)
    says("There are no labels", widget.save)
    widget.rescale.value = True
    says("pixel size", widget.run)
    widget.rescale.value = False
    widget.bundle.value = tmp_path
    says("is not a bundle", widget.run)
    widget.bundle.value = None
    viewer.add_labels(np.zeros((40, 51), int))
    layers = 2
    says("Choose a folder", widget.save)
    widget.folder.value = tmp_path / "new"
    says("labels need the shape (40, 50)", widget.save)
    assert not (tmp_path / "new").exists()
    widget.image.value = viewer.add_image(np.zeros((1, 1, 1, 1, 8, 8)))
    layers = 3
    says("cannot be its axes", widget.run)
