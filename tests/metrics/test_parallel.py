from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from unetpipe.metrics import BestThresholdSEGMetric, parallel
from unetpipe.metrics.parallel import in_processes


def squares(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return [(number**2, os.getpid()) for number in numbers]


def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda process: range(4), raising=False)


def test_results_are_in_order_and_from_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    four_cores(monkeypatch)
    found = in_processes(squares, list(range(10)))
    assert [square for square, _ in found] == [number**2 for number in range(10)]
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_few_cores_compute_here(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda process: range(cores), raising=False)
    assert in_processes(squares, [3]) == in_processes(squares, [3]) == [(9, os.getpid())]
    assert {process for _, process in in_processes(squares, [1, 2, 3])} == {os.getpid()}


def test_the_threshold_search_chooses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    cell = torch.from_numpy(random.random((1, 40, 40)).astype(np.float32))
    truth = torch.from_numpy((random.random((1, 40, 40)) > 0.6).astype(np.int32))
    chosen = []
    for many in (False, True):
        if many:
            four_cores(monkeypatch)
        metric = BestThresholdSEGMetric([0.3, 0.5, 0.7], [0.8, 0.9])
        metric([torch.cat([1 - cell, cell])], [truth])
        chosen.append((metric.aggregate(), metric.best, metric.get_buffer().tolist()))
    assert chosen[0] == chosen[1]
