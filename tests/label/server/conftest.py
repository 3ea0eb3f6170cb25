"""A bundle that finds cells, and MONAI Label servers on it: the stock app and ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, free_port, label, make_studies, start
from workflows import SMALL, run

from unetpipe.bundle.writing import export_bundle
from unetpipe.datasets import write_synthetic_ctc

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One synthetic sequence of six frames, 96 × 128 pixels."""
    return write_synthetic_ctc(tmp_path_factory.mktemp("cells"), sequences=1, frames=6, shape=(96, 128))


@pytest.fixture(scope="session")
def bundle(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained until it finds cells, in half precision, as the one that comes with the package."""
    folder = tmp_path_factory.mktemp("bundle")
    length = {"max_epochs": 8, "learning_rate": 0.005, "steps_per_epoch": 40, "val_interval": 1, "val_frames": "5"}
    small = {**SMALL, "channels": [8, 16]}
    run(["train.json"], dataset_dir=str(cells), output_dir=str(folder / "trained"), **small, **length)
    export_bundle(folder / "trained", folder / "bundle", half=True)
    return folder / "bundle"


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment for servers; mends a torchvision that does not belong to the installed torch."""
    path = [str(REPOSITORY)]
    if subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False).returncode:
        path.append(str(HERE / "site"))
    offline = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    return {
        **os.environ,
        **offline,
        "no_proxy": "127.0.0.1",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(path),
    }


@pytest.fixture(scope="session")
def ours(cells: Path, bundle: Path, environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``unetpipe label`` on a folder with a space in its name."""
    studies = make_studies(cells, tmp_path_factory.mktemp("ours") / "my studies")
    yield from label(studies, environment, "--bundle", str(bundle))


@pytest.fixture(scope="session")
def stock(cells: Path, bundle: Path, environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app ``monaibundle`` as MONAI Label brings it, by its own command."""
    folder = tmp_path_factory.mktemp("stock")
    program = [sys.executable, "-m", "monailabel.main"]
    apps = [*program, "apps", "--download", "--name", "monaibundle", "--output", str(folder)]
    subprocess.run(apps, env=environment, check=True, capture_output=True)
    app, port = folder / "monaibundle", free_port()
    shutil.copytree(bundle, app / "model" / "cells")
    studies = make_studies(cells, folder / "studies")
    options = ["--conf", "models", "cells", "--conf", "zoo_source", "local", "--conf", "sam2", "false"]
    command = [*program, "start_server", "--app", str(app), "--studies", str(studies), *options]
    command += ["-i", "127.0.0.1", "-p", str(port)]
    # the server removes the mask that it sent from the system's temporary folder, where a client puts it by default
    yield from start(command, port, studies, app / "model" / "cells", environment, folder / "log.txt", folder)
