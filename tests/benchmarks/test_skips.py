"""Autoencoder and U-Nets train on MNIST's format, and the table has the baselines beside them."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import skips


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pixels = np.random.default_rng(0).integers(0, 256, (10, 8, 8), np.uint8)
    (tmp_path / "t-images-idx3-ubyte").write_bytes(struct.pack(">iiii", 0x803, *pixels.shape) + pixels.tobytes())
    arguments = ["skips", str(tmp_path), "--output", str(tmp_path / "out"), "--channels", "[4,1]"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--max-epochs", "1", "--steps-per-epoch", "2"])
    monkeypatch.setattr(skips, "VARIANTS", {"no skips": [], "all": [0, 1]})
    skips.main()
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(scores) == ["mean image", "block means", "PCA, 4 numbers", "no skips", "all"]
    assert all(0 <= score <= 1 for score in scores.values())
    assert np.asarray(Image.open(tmp_path / "out" / "reconstructions.png")).shape == (3 * 8 * 6, 3 * 8 * 2)
    kept = json.loads((tmp_path / "out" / "all" / "configs" / "train.json").read_text())
    assert kept["network_class"].endswith("SmallUNet")


def test_block_means_and_principal_components():
    batch = np.array([[[0.0, 2], [4, 6]], [[1, 1], [1, 1]]], np.float32)
    assert np.array_equal(skips.block_means(batch, 2), [[[3, 3], [3, 3]], [[1, 1], [1, 1]]])
    assert np.allclose(skips.principal_components(batch, batch, 1), batch, atol=1e-5)  # two images lie on a line
