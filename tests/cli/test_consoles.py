"""What is printed fits any console: signs that its encoding lacks are spelt out, as those of Windows often are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unetpipe.io import write_labels


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_encoding_of_the_console(encoding: str, tmp_path: Path) -> None:
    folder = tmp_path / "Zähler 細胞"
    folder.mkdir()
    write_labels(folder / "a.tif", np.kron(np.eye(4, dtype=np.int32), np.ones((8, 8), np.int32)))
    command = [sys.executable, "-m", "unetpipe", "measure", str(folder), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_name_that_cannot_be_printed_is_spelt_out(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "unetpipe", "check", str(tmp_path / "細胞")]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False)
    assert done.returncode == 1
    assert rb"\u7d30\u80de" in done.stderr
    assert b"Traceback" not in done.stderr
