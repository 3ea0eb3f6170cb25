"""An image of 4000 × 4000 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving import Server, pixels

from unetpipe.io import read_image

pytestmark = pytest.mark.label

SIDE = 4000


def test_large_image_is_answered(ours: Server, cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    frame = read_image(cells / "01" / "t004.tif")[0]
    repeats = [-(-SIDE // side) for side in frame.shape]
    Image.fromarray(np.tile(frame, repeats)[:SIDE, :SIDE]).save(tmp_path / "large.tif")
    ours.client.upload_image(str(tmp_path / "large.tif"), image_id="large")
    mask = pixels(ours.client.infer("cells", "large", {})[0])
    assert mask.shape == (SIDE, SIDE)
    assert mask.max() > 1
    (ours.studies / "large.tif").unlink()
    with capsys.disabled():
        print(f"\n{SIDE} × {SIDE} pixels: the server's memory peaked at {peak(ours.process.pid):.2f} GB")


def peak(process: int) -> float:
    """Return the largest resident memory of a process so far in GB; NaN where the system does not say."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("VmHWM")), float("nan"))
