"""Retraining in our app: labels of every kind, only a better model takes over, and nothing waits for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from serving import Server, ask, label, make_studies, pixels, trained, truth, wait_until

from unetpipe.io import write_label_pages

pytestmark = pytest.mark.label


@pytest.fixture
def labelled(ours: Server, cells: Path, tmp_path: Path) -> Iterator[Server]:
    """Our server, with labels as instance ids, as 0/255 and as (x, y, 1) volume, as 3D Slicer saves them."""
    mask = pixels(truth(cells, 1))
    Image.fromarray(np.where(mask > 0, 255, 0).astype(np.uint8)).save(tmp_path / "binary.png")
    nibabel.save(nibabel.Nifti1Image(mask.T[..., None].astype(np.int16), np.eye(4)), tmp_path / "slicer.nii.gz")
    for image, file in (
        ("t000", truth(cells, 0)),
        ("t001", tmp_path / "binary.png"),
        ("t002", truth(cells, 2)),
        ("t001", tmp_path / "slicer.nii.gz"),
    ):
        ours.client.save_label(image, str(file), tag="final")
    yield ours
    ours.client.train_stop()


def said(status: dict) -> str:
    return "\n".join(status.get("details", []))


def trainings(server: Server) -> list[Any]:
    """Return the processes in which a server trains."""
    import psutil

    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "monailabel.interfaces.utils.app" in " ".join(child.cmdline())]


def weights(server: Server) -> bytes:
    return (server.bundle / "models" / "model.pt").read_bytes()


def test_better_model_takes_over(labelled: Server):
    before = weights(labelled)
    status = trained(labelled, "cells", max_epochs=3, steps_per_epoch=30, learning_rate=0.003)
    assert status["status"] == "DONE", said(status)
    assert " before" in said(status)
    if "the new model is served" in said(status):
        assert weights(labelled) != before
        assert (labelled.bundle / "models" / "previous" / "model.pt").read_bytes() == before
    else:
        assert weights(labelled) == before


def test_worse_model_does_not(labelled: Server):
    before = weights(labelled)
    status = trained(labelled, "cells", max_epochs=1, steps_per_epoch=1, learning_rate=1)
    assert status["status"] == "DONE", said(status)
    assert "the old model stays" in said(status)
    assert weights(labelled) == before


def test_what_is_not_known_of_a_request_goes_no_further(labelled: Server):
    status = trained(labelled, "cells", max_epochs=1, steps_per_epoch=1, learning_rate=1, force_multi_gpu=True)
    assert status["status"] == "DONE", said(status)
    assert not (labelled.bundle / "configs" / "monailabel_train.json").exists()  # MONAI Label's, for several GPUs


def test_killed_training_leaves_the_model_and_requests_go_on_meanwhile(labelled: Server):
    before, mask = weights(labelled), pixels(labelled.client.infer("cells", "t003", {})[0])
    labelled.client.train_start("cells", {"max_epochs": 10_000, "steps_per_epoch": 5})
    children: list[Any] = []

    def training() -> bool:
        children[:] = trainings(labelled)
        return bool(children) and bool(re.search(r"Epoch\[\d+\] Metrics", said(labelled.client.train_status())))

    wait_until(training)
    form = {"params": json.dumps({"result_extension": ".png"})}

    def infer(_: int) -> np.ndarray:
        import io

        import requests

        answer = requests.post(f"{labelled.address}/infer/cells?image=t003&output=image", data=form, timeout=600)
        assert answer.status_code == 200
        return np.array(Image.open(io.BytesIO(answer.content)))

    with ThreadPoolExecutor(4) as pool:
        masks = list(pool.map(infer, range(20)))
    assert len(masks) == 20
    assert all((each == mask).all() for each in masks)

    children[0].kill()
    wait_until(lambda: labelled.client.train_status()["status"] == "ERROR")
    assert weights(labelled) == before
    np.testing.assert_array_equal(pixels(labelled.client.infer("cells", "t003", {})[0]), mask)


def test_second_training_waits(labelled: Server):
    labelled.client.train_start("cells", {"max_epochs": 10_000, "steps_per_epoch": 5})
    wait_until(lambda: labelled.client.train_status()["status"] == "RUNNING")
    assert ask(labelled, "POST", "/train/cells", json={})[0] == 429
    labelled.client.train_stop()
    wait_until(lambda: labelled.client.train_status()["status"] == "STOPPED")


def test_stopping_the_server_stops_its_training(bundle: Path, cells: Path, environment: dict, tmp_path: Path):
    studies = make_studies(cells, tmp_path / "studies")
    with contextmanager(label)(studies, environment, "--bundle", str(bundle)) as server:
        server.client.save_label("t001", str(truth(cells, 1)), tag="final")
        server.client.train_start("cells", {"max_epochs": 10_000, "steps_per_epoch": 5})
        wait_until(lambda: bool(trainings(server)))
        (training,) = trainings(server)
    assert not training.is_running()


def test_labelled_pages_of_a_stack_train(labelled: Server, cells: Path, tmp_path: Path):
    images = [pixels(cells / "01" / f"t{frame:03d}.tif") for frame in (3, 4, 5)]
    labels = [pixels(truth(cells, 3)), np.zeros_like(images[0]), pixels(truth(cells, 5))]
    write_label_pages(tmp_path / "stack.tif", images)
    write_label_pages(tmp_path / "label.tif", labels)
    labelled.client.upload_image(str(tmp_path / "stack.tif"), image_id="stack")
    assert labelled.client.next_sample("uncertain", {}).keys() >= {"id", "score", "page"}
    labelled.client.save_label("stack", str(tmp_path / "label.tif"), tag="final")
    status = trained(labelled, "cells", max_epochs=1, steps_per_epoch=5, learning_rate=0.0001)
    assert status["status"] == "DONE", said(status)
    mask = labelled.client.infer("cells", "stack", {})[0]
    with Image.open(mask) as pages:
        assert pages.n_frames == 3
