"""Where the tests find real data, and small data sets made for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
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
