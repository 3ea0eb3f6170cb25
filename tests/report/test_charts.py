"""The histogram's counts, and the curves that are read from event files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.tensorboard import SummaryWriter

from unetpipe.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Curve,
    jaccard_histogram,
    lay_out,
    read_curves,
)


def test_histogram_counts_by_hand() -> None:
    bars = jaccard_histogram([0.0, 0.0, 0.05, 0.1, 0.15, 0.5, 0.51, 1.0])
    assert [bar.cells for bar in bars] == [2, 2, 1, 0, 0, 1, 1, 0, 0, 0, 1]
    assert (bars[0].low, bars[0].high, bars[5].low, bars[5].high) == (0, 0, 0.4, 0.5)


@given(st.lists(st.floats(0, 1)))
def test_histogram_counts_every_cell_once(jaccards: list[float]) -> None:
    assert sum(bar.cells for bar in jaccard_histogram(jaccards)) == len(jaccards)


def log(folder: Path, name: str, values: dict[int, float], start: float) -> None:
    with SummaryWriter(str(folder)) as writer:
        for epoch, value in values.items():
            writer.add_scalar(name, value, epoch, walltime=start + epoch)


def test_curves_are_those_of_epochs(tmp_path: Path) -> None:
    log(tmp_path, "train_loss", {1: 0.5, 2: 0.25}, 1000)
    log(tmp_path, "val_seg", {2: 0.75}, 1000)
    log(tmp_path, "Loss", {1: 0.1}, 1000)
    loss, seg = read_curves(tmp_path)
    assert loss == ("train_loss", (1, 2), (0.5, 0.25), (1001, 1002))
    assert (seg.name, seg.epochs, seg.values) == ("val_seg", (2,), (0.75,))
    assert (loss.best, seg.best) == (1, 0)


@pytest.mark.parametrize(
    ("second", "expected"),
    [({2: 0.4, 3: 0.3}, (1, 2, 3)), ({1: 0.6}, (1,))],
    ids=["taken up after epoch 1", "begun anew"],
)
def test_the_newest_run_counts(second: dict[int, float], expected: tuple[int, ...], tmp_path: Path) -> None:
    log(tmp_path, "train_loss", {1: 0.5, 2: 0.45, 3: 0.44, 4: 0.43}, 1000)
    log(tmp_path, "train_loss", second, 2000)
    (curve,) = read_curves(tmp_path)
    assert curve.epochs == expected
    assert curve.values[-len(second) :] == pytest.approx(tuple(second.values()))


def test_cut_off_and_missing_logs(tmp_path: Path) -> None:
    assert read_curves(tmp_path / "nowhere") == []
    assert read_curves(tmp_path) == []
    log(tmp_path, "train_loss", {epoch: 1 / epoch for epoch in range(1, 9)}, 1000)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    (curve,) = read_curves(tmp_path)
    assert curve.epochs == tuple(range(1, 8))


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    log(tmp_path, "train_loss", {1: 0.5, 2: float("nan"), 3: float("inf"), 4: 0.25}, 1000)
    (curve,) = read_curves(tmp_path)
    assert curve.epochs == (1, 4)


@given(st.lists(st.floats(-0.5, 1e6), min_size=1, max_size=30))
def test_charts_stay_in_their_frame(values: list[float]) -> None:
    epochs = tuple(range(1, len(values) + 1))
    chart = lay_out(Curve("train_loss", epochs, tuple(values), tuple(map(float, epochs))))
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in chart.points)
    assert 2 <= len(chart.upwards) <= 6
    assert chart.upwards[0].text == "0"
