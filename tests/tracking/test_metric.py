"""DET and TRA as metrics of the engines agree with the array functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.metrics import CumulativeIterationMetric

from unetpipe.io.track_tables import Track, write_tracks
from unetpipe.metrics import DETMetric, det_score, tra_score
from unetpipe.tracking import TRAMetric, link_cells

TRACKS = [Track(1, 0, 1), Track(2, 2, 3, 1), Track(3, 2, 3, 1), Track(4, 0, 3)]
TRUTH = [np.repeat([row], 3, axis=0) for row in ([1, 1, 0, 4], [1, 1, 0, 4], [2, 3, 0, 4], [2, 3, 0, 4])]
RESULT = [np.repeat([row], 3, axis=0) for row in ([5, 5, 0, 4], [7, 7, 0, 0], [2, 2, 9, 9], [2, 3, 0, 4])]


def feed(metric: CumulativeIterationMetric) -> None:
    for result, truth in zip(RESULT, TRUTH, strict=True):
        metric([torch.from_numpy(result[None])], [torch.from_numpy(truth[None])])


def test_det() -> None:
    metric = DETMetric()
    assert np.isnan(metric.aggregate())
    feed(metric)
    assert metric.aggregate() == det_score(TRUTH, RESULT) < 1


def test_tra(tmp_path: Path) -> None:
    write_tracks(tmp_path / "man_track.txt", TRACKS)
    metric = TRAMetric(tmp_path / "man_track.txt", max_gap=1)
    assert np.isnan(metric.aggregate())
    for _ in range(2):
        feed(metric)
        maps, tracks = link_cells(RESULT)
        assert metric.aggregate() == pytest.approx(tra_score(TRUTH, maps, TRACKS, tracks))
        metric.reset()


def test_tra_of_the_first_frames(tmp_path: Path) -> None:
    write_tracks(tmp_path / "man_track.txt", TRACKS)
    metric = TRAMetric(tmp_path / "man_track.txt")
    frames = torch.from_numpy(np.stack(TRUTH[:3])[:, None])
    metric(frames[:2], frames[:2])
    assert metric.aggregate() == 1
    metric(frames[2:], frames[2:])
    assert metric.aggregate() == 1
