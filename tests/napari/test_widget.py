"""The widget in a real viewer: what it shows is what ``unetpipe.segment`` finds, and what it saves trains."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("npe2", reason='napari is not installed: pip install "unetpipe[napari]"')

import napari
from napari.utils.notifications import notification_manager
from PIL import Image
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
STACK = np.stack([synthetic_frame(np.random.default_rng(seed), (96, 128))[0] for seed in range(3)])


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


def test_an_image_is_segmented_corrected_saved_and_trains(
    viewer: napari.Viewer, widget: CellWidget, tmp_path: Path
) -> None:
    files = [tmp_path / f"Zellen Größe {number}.png" for number in range(2)]
    for number, path in enumerate(files):
        Image.fromarray(np.rot90(CELLS, 2 * number)).save(path)
    (image, other) = (viewer.open(path)[0] for path in map(str, files))
    widget.image.value = image
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
    assert f"confidence: {expected.table['confidence'][2]:.2f}"[:16] in str(shown)
    if os.environ.get("UNETPIPE_SCREENSHOT"):
        viewer.screenshot(os.environ["UNETPIPE_SCREENSHOT"], canvas_only=False)

    layer.data[layer.data == 3] = 0  # a correction
    layer.selected_label = 500
    layer.paint((5, 5), 500)
    widget.folder.value = tmp_path / "für Training"
    widget.save.changed.emit(True)
    widget.image.value = other
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
