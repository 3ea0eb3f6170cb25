"""The whole round through the Python client, for the stock app and for ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from serving import Server, ask, pixels, trained, truth

import unetpipe
from unetpipe.io import read_image

pytestmark = pytest.mark.label


@pytest.fixture(params=["stock", "ours"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


def test_round(server: Server, cells: Path):
    info = server.client.info()
    assert list(info["models"]) == ["cells"]
    assert info["labels"] == ["cell"]
    assert info["datastore"]["total"] == 6

    strategy = "uncertain" if "uncertain" in info["strategies"] else "random"
    image = server.client.next_sample(strategy, {})["id"]
    assert image in [f"t{frame:03d}" for frame in range(6)]

    mask, result = server.client.infer("cells", "t001", {})
    expected = unetpipe.segment(read_image(server.studies / "t001.tif")[0], server.bundle)
    assert expected.max() > 1
    np.testing.assert_array_equal(pixels(mask), expected)
    assert result["label_names"] == {"cell": 1}

    for frame in range(3):
        server.client.save_label(f"t{frame:03d}", str(truth(cells, frame)), tag="final")
    assert server.client.info()["datastore"]["completed"] == 3
    status = trained(server, "cells", max_epochs=2, steps_per_epoch=10, val_split=0.34, learning_rate=0.001)
    assert status["status"] == "DONE", status["details"]

    mask, _ = server.client.infer("cells", "t001", {})
    assert pixels(mask).shape == expected.shape


def test_plain_http(server: Server):
    status, body = ask(server, "GET", "/info/")
    assert status == 200
    assert '"cells"' in body
    assert ask(server, "POST", "/infer/cells?image=t000&output=image")[0] == 200
