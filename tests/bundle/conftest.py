"""A bundle trained for a few steps, shared by the tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from workflows import SHORT, SMALL, run


@pytest.fixture(scope="session")
def trained(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a short training wrote."""
    output = tmp_path_factory.mktemp("trained")
    run(["train.json"], dataset_dir=str(synthetic), output_dir=str(output), pixel_size=0.5, **SMALL, **SHORT)
    return output
