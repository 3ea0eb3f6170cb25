from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

import unetpipe.processes
from unetpipe.errors import InputError
from unetpipe.metrics import BestThresholdSEGMetric
from unetpipe.processes import FreshProcesses, idle_cores, in_processes


def squares(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return [(number**2, os.getpid()) for number in numbers]


def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unetpipe.processes.os, "sched_getaffinity", lambda process: range(4), raising=False)


def test_results_are_in_order_and_from_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    four_cores(monkeypatch)
    found = in_processes(squares, list(range(10)))
    assert [square for square, _ in found] == [number**2 for number in range(10)]
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_few_cores_compute_here(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unetpipe.processes.os, "sched_getaffinity", lambda process: range(cores), raising=False)
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


def test_processes_that_score_beside_this_one() -> None:
    """The scores are those of this process; an error is raised here; a process that was killed is one sentence."""
    random = np.random.default_rng(0)
    images = [torch.from_numpy(random.random((1, 40, 40)).astype(np.float32)) for _ in range(3)]
    probabilities = [torch.cat([1 - image, image]) for image in images]
    truths = [torch.from_numpy((random.random((1, 40, 40)) > 0.6).astype(np.int32)) for _ in images]
    metric = BestThresholdSEGMetric([0.3, 0.5, 0.7], [0.8, 0.9])
    found = []
    for processes in (None, FreshProcesses(1)):
        metric.processes = processes
        for probability, truth in zip(probabilities, truths, strict=True):
            metric([probability], [truth])
        found.append((metric.aggregate(), metric.best, metric.get_buffer().tolist()))
        metric.reset()
    assert found[0] == found[1]
    assert processes is not None
    with pytest.raises(TypeError):
        processes.start(squares, ["text"])()
    for pid in list(processes._pool._processes):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(InputError, match="has ended, perhaps because memory ran out"):
        processes.start(squares, [1])()
    processes.close()


def until_all_have_begun(processes: FreshProcesses) -> None:
    deadline = time.monotonic() + 300
    while processes._begun.value < processes.count and time.monotonic() < deadline:
        time.sleep(0.05)


def test_single_calls_from_threads(caplog: pytest.LogCaptureFixture) -> None:
    """A process computes; before it has begun, and after it was killed, this one does."""
    processes = FreshProcesses(1)
    processes._begun.value = -1  # as if it took long
    assert processes.call(os.getpid) == os.getpid()
    processes._begun.value = 0
    until_all_have_begun(processes)
    (other,) = processes._pool._processes
    assert [processes.call(os.getpid) for _ in range(3)] == [other] * 3
    with pytest.raises(ValueError, match="invalid literal"):
        processes.call(int, "one")
    os.kill(other, signal.SIGKILL)
    assert [processes.call(abs, -number) for number in range(3)] == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "A process has ended, perhaps because memory ran out; its work continues in threads."
    ]
    processes.close()


PARENT = """
import time
import psutil
from unetpipe.processes import FreshProcesses
processes = FreshProcesses(1)
processes.start(sorted, [1])()
print(*[child.pid for child in psutil.Process().children()], flush=True)
time.sleep(600)
"""


@pytest.mark.posix
def test_processes_need_no_main_guard_and_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert children
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs(children, timeout=60)[1] == []


def test_idle_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers, idle in ((2, 2, 0), (4, 2, 1), (16, 2, 8), (16, 12, 3)):
        monkeypatch.setattr(
            unetpipe.processes.os, "sched_getaffinity", lambda process, cores=cores: range(cores), raising=False
        )
        assert idle_cores(torch.device("cuda"), workers) == idle
        assert idle_cores(torch.device("cpu"), workers) == 0
