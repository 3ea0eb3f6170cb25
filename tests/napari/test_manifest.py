from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("npe2", reason='napari is not installed: pip install "unetpipe[napari]"')

pytestmark = pytest.mark.napari


def test_the_manifest_is_valid() -> None:
    validated = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "unetpipe"], capture_output=True, text=True, timeout=300
    )
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "valid" in validated.stdout
