"""Our app answers what it cannot do with one sentence, lives on, and writes nothing outside the studies.

The stock app answers with an error status, and lives on.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving import Server, ask, trained, truth

pytestmark = pytest.mark.label


def png(array: np.ndarray) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(array).save(encoded, format="PNG")
    return encoded.getvalue()


def inference(**parameters: object) -> tuple[str, str, dict]:
    return "POST", "/infer/cells?image=t001", {"data": {"params": json.dumps(parameters)}}


def training(**parameters: object) -> tuple[str, str, dict]:
    return "POST", "/train/cells", {"json": parameters}


CODE = "cpu') if __import__('os').getpid() else ('"  # would be evaluated in a config
NOISE = np.random.default_rng(0).integers(0, 255, (96, 128), dtype=np.uint8)
ARRAY = io.BytesIO()
np.save(ARRAY, NOISE[None])
COLOUR = png(np.dstack([NOISE, 255 - NOISE, NOISE]))
AS_JSON = {"headers": {"content-type": "application/json"}}
REQUESTS = {
    "unknown image": ("POST", "/infer/cells?image=nothing", {}, "no image 'nothing'"),
    "unknown model": ("POST", "/infer/nothing?image=t001", {}, "no model 'nothing'"),
    "a path": ("POST", "/infer/cells?image=../my studies/t001.tif", {}, "no image"),
    "an absolute path": ("POST", "/infer/cells?image=/etc/hostname", {}, "no image"),
    "no image at all": ("POST", "/infer/cells", {}, "Neither Image nor File"),
    "text as PNG": ("POST", "/infer/cells", {"files": {"file": ("a.png", b"no picture")}}, "cannot be read"),
    "an empty image": ("POST", "/infer/cells", {"files": {"file": ("a.png", b"")}}, "cannot be read"),
    "three channels": ("POST", "/infer/cells", {"files": {"file": ("a.png", COLOUR)}}, "3 channel"),
    "no JSON": ("POST", "/infer/cells?image=t001", {"data": {"params": "{no"}}, "not JSON"),
    "a lossy format": ("POST", "/infer/cells?image=t001", {"data": {"params": '{"result_extension": ".jpg"}'}}, ".jpg"),
    "a page it has not": ("POST", "/infer/cells?image=t001", {"data": {"params": '{"page": 3}'}}, "no page 3"),
    "unknown masks": ("POST", "/infer/cells?image=t001", {"data": {"params": '{"masks": "x"}'}}, "masks='x'"),
    "no masks": (*inference(masks=[]), "masks=[]"),
    "masks of masks": (*inference(masks=[["instances"]]), "masks=[['instances']]"),
    "a list as page": (*inference(page=[0]), "no page [0]"),
    "a page beyond all numbers": (*inference(page="9" * 5000), "no page"),
    "a list as image": (*inference(image=["t001"]), "no image ['t001']"),
    "an image with a zero byte": (*inference(image="a\0b"), "no image"),
    "an image with a long name": (*inference(image="a" * 5000), "no image"),
    "a list as model": (*inference(model=["cells"]), "no model ['cells']"),
    "parameters in a list": ("POST", "/infer/cells?image=t001", {"data": {"params": "[1]"}}, "are [1]"),
    "a number as parameters": ("POST", "/infer/cells?image=t001", {"data": {"params": "1"}}, "are 1;"),
    "a number as tag": (*inference(save_label=True, label_tag=1), "1 cannot be a name"),
    "a mask saved by a path": (*inference(save_label=True, label_tag="../x"), "'../x' cannot be a name"),
    "parameters of a label in a list": (
        "PUT",
        "/datastore/label?image=t001",
        {"files": {"label": ("a.png", png(NOISE))}, "data": {"params": "[1]"}},
        "are [1]",
    ),
    "devices of devices": (*inference(device=[[]]), "device=[[]]"),
    "a device that is code": (*inference(device=CODE), "device="),
    "a device it has not": (*inference(device="cuda:7"), "device='cuda:7'"),
    "no device": (*inference(device="gpu9"), "device='gpu9'"),
    "label of another size": (
        "PUT",
        "/datastore/label?image=t001",
        {"files": {"label": ("a.png", png(NOISE[:50]))}},
        "50×128",
    ),
    "label of no image": ("PUT", "/datastore/label?image=x", {"files": {"label": ("a.png", png(NOISE))}}, "no image"),
    "tag with a path": (
        "PUT",
        "/datastore/label?image=t001&tag=../../x",
        {"files": {"label": ("a.png", png(NOISE))}},
        "cannot be a name",
    ),
    "upload with a path": (
        "PUT",
        "/datastore/image?image=../../x",
        {"files": {"file": ("a.png", png(NOISE))}},
        "cannot be a name",
    ),
    "upload of text": ("PUT", "/datastore/image?image=new", {"files": {"file": ("a.png", b"x")}}, "cannot be read"),
    "upload of an array": (
        "PUT",
        "/datastore/image?image=new",
        {"files": {"file": ("a.npy", ARRAY.getvalue())}},
        "send .tif",
    ),
    "a mask as array": (*inference(result_extension=".npy"), ".npy"),
    "training of nothing": ("POST", "/train/nothing", {"json": {}}, "no model"),
    "training of nothing, by the body": (*training(model="nothing", bundle_path="/tmp"), "no model"),
    "training of no model": ("POST", "/train/", {"json": {"cells": {}}}, "no model"),
    "training without end": (*training(max_epochs=-1), "max_epochs=-1"),
    "training of code": (*training(max_epochs="$1"), "max_epochs='$1'"),
    "training on code": (*training(device="$__import__('os').getpid()"), "device="),
    "training on a device it has not": (*training(device="cuda:7"), "device='cuda:7'"),
    "training on GPUs": (*training(gpus="x"), "gpus='x'"),
    "unknown strategy": ("POST", "/activelearning/nothing", {}, "nothing"),
    "a list as strategy": ("POST", "/activelearning/first", {"json": {"strategy": []}}, "strategy=[]"),
    "half a surrogate pair": ("POST", "/activelearning/first", {"data": r'{"a": "\ud800"}', **AS_JSON}, "not JSON"),
    "parameters that are not a number": (
        "POST",
        "/infer/cells?image=t001",
        {"data": {"params": '{"a": NaN}'}},
        "not JSON",
    ),
    "parameters nested deeply": ("POST", "/infer/cells?image=t001", {"data": {"params": "[" * 99_999}}, "not JSON"),
    "a number of many digits": ("POST", "/infer/cells?image=t001", {"data": {"params": "9" * 9999}}, "not JSON"),
    "masks saved or not": (*inference(save_label="perhaps"), "save_label='perhaps'"),
    "an image of an unknown format": ("POST", "/infer/cells", {"files": {"file": ("a.bin", b"x")}}, "send .tif"),
    "an image with a zero byte in its name": (
        "POST",
        "/infer/cells",
        {"files": {"file": ("a.\0tif", b"x")}},
        "send .tif",
    ),
    "an image with a long suffix": ("POST", "/infer/cells", {"files": {"file": ("a." + "b" * 999, b"x")}}, "send .tif"),
    "scribbles": ("POST", "/infer/cells?image=t001", {"files": {"label": ("a.bin", b"x")}}, "send .tif"),
    "segments of DICOM": ("POST", "/infer/cells?image=t001&output=dicom_seg", {}, "DICOM SEG format"),
    "a session that is a path": ("POST", "/infer/cells?session_id=../../../../tmp", {}, "no image ''"),
    "upload with a long name": (
        "PUT",
        f"/datastore/image?image={'a' * 300}",
        {"files": {"file": ("a.png", png(NOISE))}},
        "longer than 200 bytes",
    ),
    "notes that MONAI Label could not read": (
        "PUT",
        "/datastore/image/info?image=t001",
        {"data": {"info": '{"strategy": {"random": 1}}'}},
        "strategy=",
    ),
    "no label to remove": ("DELETE", "/datastore/label?id=t001&tag=nothing", {}, "no label 'nothing'"),
    "an archive": (
        "PUT",
        "/session/?uncompress=true",
        {"files": {"files": ("a.tar", b"x")}},
        "archives are not unpacked",
    ),
    "two images in a session": (
        "PUT",
        "/session/",
        {"files": [("files", ("a.png", png(NOISE))), ("files", ("b.png", png(NOISE)))]},
        "A session holds one image",
    ),
    "a session of an unknown format": ("PUT", "/session/", {"files": {"files": ("..", b"x")}}, "send .tif"),
    "training within the server": ("POST", "/train/cells?run_sync=true", {"json": {}}, "without run_sync"),
    "many images of which one is unknown": ("POST", "/batch/infer/cells", {"json": {"images": ["x"]}}, "no image 'x'"),
    "many images as a number": ("POST", "/batch/infer/cells", {"json": {"images": 5}}, "images=5"),
    "fewer than no images": ("POST", "/batch/infer/cells", {"json": {"max_batch_size": -1}}, "max_batch_size=-1"),
    "many images with a path as tag": (
        "POST",
        "/batch/infer/cells",
        {"json": {"label_tag": "../x"}},
        "cannot be a name",
    ),
    "many images on GPUs": ("POST", "/batch/infer/cells", {"json": {"gpus": "a\0b"}}, "gpus="),
    "a data set of nothing": ("GET", "/datastore/dataset", {}, "no data set to send"),
}


@pytest.mark.parametrize("mistake", REQUESTS)
def test_one_sentence(ours: Server, mistake: str):
    method, path, options, said = REQUESTS[mistake]
    before = files(ours.studies.parent)
    status, body = ask(ours, method, path, **options)
    assert status in (400, 404), body
    sentence = json.loads(body)["detail"]
    assert said in sentence
    assert "\n" not in sentence
    assert "Traceback" not in body
    assert files(ours.studies.parent) == before
    assert ask(ours, "GET", "/info/")[0] == 200


@pytest.mark.parametrize(
    "mistake",
    [
        "unknown image",
        "unknown model",
        "a path",
        "an absolute path",
        "no image at all",
        "text as PNG",
        "an empty image",
        "three channels",
        "no JSON",
        "a lossy format",
        "label of no image",
        "unknown strategy",
    ],
)
def test_stock_app_answers_with_an_error(stock: Server, mistake: str):
    method, path, options, _ = REQUESTS[mistake]
    before = files(stock.studies)
    status, body = ask(stock, method, path, **options)
    assert status >= 400
    assert "Traceback" not in body
    assert files(stock.studies) == before
    assert ask(stock, "GET", "/info/")[0] == 200


def test_stock_app_does_not_train_on_a_label_of_another_size(stock: Server):
    weights = (stock.bundle / "models" / "model.pt").read_bytes()
    label = {"label": ("a.png", png(NOISE[:50]))}
    assert ask(stock, "PUT", "/datastore/label?image=t005", files=label)[0] == 200  # it takes any file
    status = trained(stock, "cells", max_epochs=1)
    assert status["status"] == "ERROR"
    said = "\n".join(status["details"])
    assert "Error: " in said
    assert "50×128" in said
    assert "Traceback" not in said
    assert (stock.bundle / "models" / "model.pt").read_bytes() == weights
    assert ask(stock, "DELETE", "/datastore/label?id=t005&tag=final")[0] == 200


def test_checksums(ours: Server):
    for checksum, expected in (("MD6:1", 400), ("MD5:1", 404), ("1", 404)):
        assert ask(ours, "HEAD", f"/datastore/image?image=t001&check_sum={checksum}")[0] == expected


def test_labels_can_be_replaced_by_another_format(ours: Server, cells: Path):
    ours.client.save_label("t005", str(truth(cells, 5)), tag="original")
    with Image.open(truth(cells, 5)) as picture:
        label = np.array(picture)
    files = {"label": ("a.png", png(label.astype(np.uint8)))}
    assert ask(ours, "PUT", "/datastore/label?image=t005&tag=original", files=files)[0] == 200
    assert [path.name for path in (ours.studies / "labels" / "original").glob("t005*")] == ["t005.png"]


def test_processes_import_from_the_served_bundle_only(ours: Server, tmp_path: Path):
    status, body = ask(ours, "POST", "/batch/infer/cells", json={"images": ["t005"], "bundle_path": str(tmp_path)})
    assert status == 200, body
    assert json.loads(body)["request"]["bundle_path"] == str(ours.bundle)


def test_a_file_in_the_systems_temporary_folder_is_not_served(ours: Server, cells: Path):
    with tempfile.NamedTemporaryFile(suffix=".tif") as file:
        file.write((cells / "01" / "t001.tif").read_bytes())
        file.flush()
        status, body = ask(ours, "POST", f"/infer/cells?image={file.name}")
    assert status == 404, body


def files(folder: Path) -> set[str]:
    """Return the files below a folder, but logs."""
    return {str(path) for path in folder.rglob("*") if not path.name.endswith((".log", ".txt", ".lock"))}
