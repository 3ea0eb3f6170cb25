"""Names of studies, images and tags are data, whatever signs they have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import numpy as np
import pytest
from serving import Server, ask, label, pixels, trained, truth, wait_until

pytestmark = pytest.mark.label

NAMES = {
    0: "$[__import__('os').remove('x')]",
    1: "@bundle_root#1",
    2: "%configs.json::network",
    3: "quote \" and ' [a-z]*?",
    4: "line\nbreak",
    5: "-m.tif.x",
    6: "model",  # as a folder in which the server runs
}


@pytest.fixture(scope="module")
def named(cells: Path, bundle: Path, environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on studies, from a bundle, with such names; one frame is there twice."""
    folder = tmp_path_factory.mktemp("named")
    studies, origin = folder / "$studies @#1 %x 'y'", folder / "$bundle#1"
    shutil.copytree(bundle, origin)
    studies.mkdir()
    for number, name in NAMES.items():
        shutil.copy(cells / "01" / f"t{number % 6:03d}.tif", studies / f"{name}.tif")
    yield from label(studies, environment, "--bundle", str(origin))


@pytest.mark.parametrize("number", NAMES)
def test_images(named: Server, cells: Path, number: int):
    name = NAMES[number]
    with (cells / "01" / f"t{number % 6:03d}.tif").open("rb") as file:
        sent = ask(named, "POST", "/infer/cells?output=image", files={"file": ("a.tif", file)})
    assert sent[0] == 200
    mask, result = named.client.infer("cells", name, {})
    assert pixels(mask).any()
    assert result["cells"] == [int(pixels(mask).max())]
    status, body = ask(named, "POST", f"/infer/cells?image={quote_plus(name)}&output=json", data={"params": "{}"})
    assert status == 200, body
    assert json.loads(body)["cells"] == result["cells"]
    assert ask(named, "GET", f"/datastore/image?image={quote_plus(name)}")[0] == 200
    assert ask(named, "GET", f"/datastore/image/info?image={quote_plus(name)}")[0] == 200


@pytest.mark.parametrize("number", NAMES)
def test_uploads_labels_and_tags(named: Server, cells: Path, number: int):
    name = NAMES[number]
    named.client.upload_image(str(cells / "01" / "t001.tif"), f"{name} sent")
    assert (named.studies / f"{name} sent.tif").is_file()
    named.client.save_label(f"{name} sent", str(truth(cells, 1)), tag=name)
    got = named.client.download_label(f"{name} sent", name)
    np.testing.assert_array_equal(pixels(got), pixels(truth(cells, 1)))
    assert ask(named, "DELETE", f"/datastore/label?id={quote_plus(name)}+sent&tag={quote_plus(name)}")[0] == 200
    (named.studies / f"{name} sent.tif").unlink()


def test_training(named: Server, cells: Path):
    for number, name in NAMES.items():
        named.client.save_label(name, str(truth(cells, number % 6)), tag="final")
    before = sorted(named.studies.parent.iterdir())
    for begin in (True, False):
        status = trained(
            named, "cells", max_epochs=1, steps_per_epoch=3, val_split=0.5, learning_rate=0.001, pretrained=begin
        )
        said = "\n".join(status["details"])
        assert status["status"] == "DONE", said
        assert " before, " in said
    assert sorted(named.studies.parent.iterdir()) == before
    parts = json.loads((named.bundle.parent / "validation.json").read_text())
    assert {*parts["train"], *parts["val"]} == {f"{name}.tif" for name in NAMES.values()}
    assert ask(named, "GET", "/datastore/dataset")[0] == 200


def test_many_images_at_once(named: Server):
    tag = NAMES[0]
    status, body = ask(named, "POST", "/batch/infer/cells", json={"label_tag": tag, "images": list(NAMES.values())})
    assert status == 200, body
    wait_until(lambda: json.loads(ask(named, "GET", "/batch/infer")[1])["status"] in ("DONE", "ERROR"))
    done = json.loads(ask(named, "GET", "/batch/infer")[1])
    assert done["status"] == "DONE", done["details"]
    masks = {path.name for path in (named.studies / "labels" / tag).iterdir()}
    assert masks == {f"{name}.tif" for name in NAMES.values()}


def test_next_image(named: Server, cells: Path):
    shutil.copy(cells / "01" / "t001.tif", named.studies / f"{NAMES[0]}2.tif")  # is noticed while the server runs
    wait_until(lambda: f"{NAMES[0]}2" in named.client.datastore()["objects"])
    for strategy in ("uncertain", "random", "first"):
        assert named.client.next_sample(strategy, {})["id"] == f"{NAMES[0]}2"
