"""A screen to open windows on: the one that there is, or a virtual one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Open a virtual screen where there is no real one; skip where there is neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_CONFIG", str(tmp_path_factory.mktemp("settings") / "napari.yaml"))
        patch.setenv("MESA_LOADER_DRIVER_OVERRIDE", "swrast")
        if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
            yield
            return
        if shutil.which("Xvfb") is None:
            pytest.skip("no screen, and no virtual one: apt-get install xvfb")
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
        server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        try:
            with Path(f"/dev/fd/{reading}").open() as number:
                patch.setenv("DISPLAY", f":{number.readline().strip()}")
            yield
        finally:
            os.close(reading)
            server.terminate()
            server.wait()
