"""The benchmarks run, check both sides, and tell the truth about their bounds; no test depends on the clock."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.speed import gpu, weight_map
from benchmarks.speed.cells import cell_image, cell_map
from benchmarks.speed.command import main
from benchmarks.speed.inference import count_operations
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row, Times, alternate, ratio

REPOSITORY = Path(__file__).parents[2]


def test_sides_alternate_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    times = alternate({"one": lambda: calls.append("one"), "two": lambda: calls.append("two")}, repeats=2)
    assert calls == ["one", "two"] * 3
    assert all(len(side.cpu) == len(side.wall) == 2 for side in times.values())


def test_ratio_is_of_the_medians() -> None:
    sides = {"slow": Times((6.0, 60.0, 8.0), (0, 0, 0)), "fast": Times((2.0, 1.0, 4.0), (0, 0, 0))}
    row = ratio("name", "what", sides, "slow", "fast", bound=4)
    assert row.value == 4
    assert row.met is True
    assert row.seen == "2–60"
    assert sides["fast"].spread == 1.5


@pytest.mark.parametrize(("relation", "met"), [(">=", False), ("<=", True)])
def test_bounds(relation: str, met: bool) -> None:
    assert Row("name", "what", 1.0, relation=relation, bound=2).met is met
    assert Row("name", "what", 1.0, relation=relation).met is None


def test_cell_map_holds_as_many_cells_as_asked_for() -> None:
    label = cell_map(200, 30)
    assert np.unique(label).tolist() == list(range(31))
    image = cell_image(label)
    assert image[label > 0].mean() > image[label == 0].mean() + 50


@pytest.mark.parametrize("other", [weight_map.stacked, weight_map.running])
def test_other_ways_of_the_weight_map_agree(other) -> None:
    label = cell_map(64, 7)
    np.testing.assert_allclose(other(label), weight_map.ours(label), rtol=1e-5)


def test_operations_of_a_convolution() -> None:
    """2 · 3 · 4 · 9 operations for each of 8 × 8 pixels."""
    layer, image = nn.Conv2d(3, 4, 3), torch.rand(1, 3, 10, 10)
    assert count_operations(lambda: layer(image)) == 2 * 3 * 4 * 9 * 64


def test_command_prints_rows_and_json_last(capsys: pytest.CaptureFixture) -> None:
    assert main(["weight_map", "--quick", "--repeats", "1"]) == 0
    *rows, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert len(rows) == len(result["rows"]) == 4
    assert all(row.startswith("| weight_map |") for row in rows)
    assert result["machine"]["torch"] == torch.__version__
    assert result["rows"][0]["met"] is None  # tiny sizes keep no bound
    assert len(result["rows"][0]["seconds"]["stack"]["cpu"]) == 1


def test_unknown_name_is_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["nothing"])
    assert "weight_map" in capsys.readouterr().err


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "default_device", lambda: torch.device("cpu"))
    assert main(["gpu"]) == 0
    assert "no GPU" in capsys.readouterr().out


def test_a_dry_run_has_every_row(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu, "default_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(importlib.metadata, "version", missing_unetpipe)
    assert main(["gpu", "--quick", "--json", str(tmp_path / "rows.json")]) == 0
    output = capsys.readouterr().out
    assert "dry run" in output
    rows = json.loads(output.splitlines()[-1])["rows"]
    units = ["TFLOP/s", "GB/s", "×", *["%", "ms"] * 2, "/s", "%", "s", "s", *["/s", "/s"] * 2, "min", "min"]
    units += [*["ms"] * gpu.LONGEST, "%", "ms"]
    assert [row["unit"] for row in rows] == units
    assert all(row["value"] >= 0 for row in rows)
    assert json.loads((tmp_path / "rows.json").read_text())["rows"] == rows
    listed = [row["what"] for row in rows if "convolution_backward" in row["what"]]
    assert any("2×2×184×184, 2×2×186×186, 2×2×3×3" in what for what in listed)  # gradient, input, weights
    assert not any(row["what"].endswith(" of ") for row in rows)


def missing_unetpipe(name: str) -> str:
    """Return versions as where a checkout is used that is not installed."""
    if name == "unetpipe":
        raise importlib.metadata.PackageNotFoundError(name)
    return "1"


def test_the_time_limit_ends_it_between_two_parts(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "default_device", lambda: torch.device("cpu"))
    rows = list(gpu.run(Settings(quick=True, seconds=1e-9)))
    assert rows == []
    assert "not measured" in capsys.readouterr().out


def test_only_the_named_parts_are_measured(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "default_device", lambda: torch.device("cpu"))
    assert main(["gpu", "--quick", "--parts", "compiled", "forward"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [row["unit"] for row in rows] == ["TFLOP/s", "GB/s", "×"]


def test_a_step_whose_algorithms_are_measured_leaves_the_setting_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def steps(*arguments: object, **options: object) -> Iterator[Row]:
        seen.append(torch.backends.cudnn.benchmark)
        yield Row("gpu", "first", 1.0)

    monkeypatch.setattr(gpu, "_steps", steps)
    assert len(list(gpu.measured_step(torch.device("cpu"), Settings(quick=True)))) == 1
    assert seen == [True]
    assert not torch.backends.cudnn.benchmark


def test_a_step_that_cannot_be_compiled_is_left_out(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(*arguments: object, **options: object) -> Iterator[Row]:
        yield Row("gpu", "first", 1.0)
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(gpu, "_steps", steps)
    assert [row.what for row in gpu.compiled_step(torch.device("cuda"), Settings())] == ["first"]
    assert "not measured: Failed to find C compiler" in capsys.readouterr().out


def test_killed_after_half_its_json_holds_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    command = [sys.executable, "-m", "benchmarks", "gpu", "--quick", "--json", str(path)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment) as process:
        assert process.stdout is not None
        printed = []
        while len(printed) < 5:
            line = process.stdout.readline()
            assert line, "it ended before"
            printed += [line] * line.startswith("| gpu |")
        process.kill()
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) >= 5
    assert all(row["what"] in line for row, line in zip(rows, printed, strict=False))
