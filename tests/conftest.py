"""Where the tests find real data, and small data sets made for them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from workflows import SHORT, SMALL, run

from unetpipe.datasets import write_synthetic_ctc

REPOSITORY = Path(__file__).resolve().parent.parent

# no test may fail because the machine is busy
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out on Windows what it cannot do."""
    for item in items:
        if os.name == "nt" and item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason="Windows has no such signals or pipes"))


@pytest.fixture(autouse=True)
def settings_of_the_process() -> Iterator[None]:
    """The number of threads, and what the project and the root logger log, are put back after each test."""
    threads, disabled = torch.get_num_threads(), logging.root.manager.disable
    levels = {logger: logger.level for logger in loggers()}
    yield
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    logging.disable(disabled)
    for logger in loggers():
        logger.setLevel(levels.get(logger, logging.NOTSET))


def loggers() -> list[logging.Logger]:
    """The root logger and those of the project."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "unetpipe"]
    return [logging.root, *map(logging.getLogger, names)]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: UNETPIPE_TEST_DATA, else ../shared/data beside the checkout, else skip."""
    named = os.environ.get("UNETPIPE_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: set UNETPIPE_TEST_DATA, or put it at {folder}")
    return folder


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic CTC data set: 2 sequences of 3 frames, 96 × 128 pixels. Read only: copy it to change it."""
    return write_synthetic_ctc(tmp_path_factory.mktemp("synthetic"), sequences=2, frames=3, shape=(96, 128))


@pytest.fixture(scope="session")
def trained(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that a short training wrote."""
    output = tmp_path_factory.mktemp("trained")
    run(["train.json"], dataset_dir=str(synthetic), output_dir=str(output), pixel_size=0.5, **SMALL, **SHORT)
    return output
