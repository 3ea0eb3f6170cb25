"""Starting a MONAI Label server, and asking it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from unetpipe.label.folder import FOLDER, MODEL

PATIENCE = 600  # seconds until a server that does not come up, or a training that does not end, fails its test


class Server(NamedTuple):
    """A running server: its process, its address, the studies and the bundle it serves, and its client."""

    process: subprocess.Popen
    address: str
    studies: Path
    bundle: Path
    client: Any


def start(
    command: list[str],
    port: int,
    studies: Path,
    bundle: Path,
    environment: dict[str, str],
    log: Path,
    received: Path | None = None,
    token: str = "",
) -> Iterator[Server]:
    """Start a server, wait until it answers, and stop it in the end as Ctrl+C does."""
    from monailabel.client import MONAILabelClient

    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until(lambda: process.poll() is not None or answers(address, token), log)
        assert process.poll() is None, log.read_text()
        yield Server(process, address, studies, bundle, MONAILabelClient(address, received))
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        assert not answers(address, token)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def label(studies: Path, environment: dict[str, str], *options: str, token: str = "") -> Iterator[Server]:
    """Run ``unetpipe label`` on a folder of studies."""
    port = free_port()
    command = [sys.executable, "-m", "unetpipe.cli.main", "label", str(studies), *options, "--port", str(port)]
    bundle = studies / FOLDER / "model" / MODEL
    yield from start(command, port, studies, bundle, environment, studies.parent / "log.txt", token=token)


def make_studies(cells: Path, studies: Path) -> Path:
    """Copy the six frames, one of them as PNG."""
    studies.mkdir(parents=True)
    for frame in sorted((cells / "01").glob("*.tif"))[1:]:
        shutil.copy(frame, studies)
    Image.open(cells / "01" / "t000.tif").save(studies / "t000.png")
    return studies


def truth(cells: Path, frame: int) -> Path:
    """Return the label of a frame."""
    return cells / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif"


def pixels(path: str | Path) -> np.ndarray:
    """Read a picture."""
    with Image.open(path) as picture:
        return np.array(picture)


def trained(server: Server, model: str, **parameters: Any) -> dict[str, Any]:
    """Train by the client, wait for the end, and return its status."""
    server.client.train_start(model, parameters)
    wait_until(lambda: server.client.train_status()["status"] in ("DONE", "ERROR", "STOPPED"))
    return server.client.train_status()


def ask(server: Server, method: str, path: str, **options: Any) -> tuple[int, str]:
    """Send a plain request and return status and body."""
    import requests

    answer = requests.request(method, server.address + path, timeout=PATIENCE, **options)
    return answer.status_code, answer.text


def infer_json(server: Server, image: str, **parameters: Any) -> dict[str, Any]:
    """Return the JSON of an inference."""
    form = {"params": json.dumps(parameters)}
    status, body = ask(server, "POST", f"/infer/cells?image={image}&output=json", data=form)
    assert status == 200, body
    return json.loads(body)


def answers(address: str, token: str = "") -> bool:
    """Return whether a server answers there."""
    request = urllib.request.Request(f"{address}/info/", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            reply.read()  # the server removes the request's folder before the answer ends
            return reply.status == 200
    except OSError:
        return False


def wait_until(done: Any, log: Path | None = None) -> None:
    """Ask again and again."""
    for _ in range(PATIENCE * 2):
        if done():
            return
        time.sleep(0.5)
    raise AssertionError(log.read_text() if log else "it takes too long")


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]
