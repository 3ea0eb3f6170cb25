"""Dask's workers: what they need, and that no job runs any more when a run of jobs has failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Future

from unetpipe.errors import InputError
from unetpipe.large.processes import DaskProcesses, cluster_processes, local_processes

pytestmark = pytest.mark.posix


def fail_beside_another(work: Any, job: int) -> None:
    """One job fails while another one runs, which ends half a second later."""
    begun, ended = work.folder / "begun", work.folder / "ended"
    if job == 0:
        begun.touch()
        threading.Event().wait(0.5)
        ended.touch()
    elif job == 1:
        while not begun.exists():
            threading.Event().wait(0.01)
        raise InputError("the image is damaged")
    else:
        leave_a_file(work, job)


def leave_a_file(work: Any, job: object) -> None:
    (work.folder / str(job)).touch()


@pytest.fixture(scope="module")
def processes() -> Iterator[DaskProcesses]:
    """Two workers, which take seconds to begin."""
    with local_processes(2) as found:
        yield found


def test_no_job_runs_when_one_has_failed(processes: DaskProcesses, tmp_path: Path) -> None:
    work: Any = SimpleNamespace(folder=tmp_path)
    with pytest.raises(InputError, match="the image is damaged"):
        list(processes.each(fail_beside_another, work, range(200)))
    assert (tmp_path / "ended").exists()
    written = sorted(tmp_path.iterdir())
    # the same workers are free for others, and none of the cancelled jobs has begun since
    list(processes.each(leave_a_file, work, ["a", "b"]))
    assert sorted(tmp_path.iterdir()) == sorted([*written, tmp_path / "a", tmp_path / "b"])


def test_jobs_that_somebody_cancels_are_one_sentence(processes: DaskProcesses, tmp_path: Path) -> None:
    work: Any = SimpleNamespace(folder=tmp_path)
    jobs = processes.each(leave_a_file, work, range(200))
    next(jobs)
    processes.client.cancel([Future(key, processes.client) for key in processes.client.futures], force=True)
    with pytest.raises(InputError, match="scheduler was lost, or its jobs were cancelled"):
        list(jobs)


def test_a_scheduler_that_is_lost_does_not_hide_what_failed(
    processes: DaskProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: object) -> None:
        raise OSError("Timed out trying to connect")

    work: Any = SimpleNamespace(folder=tmp_path)
    monkeypatch.setattr(processes.client, "processing", lost)
    with pytest.raises(InputError, match="the image is damaged"):
        list(processes.each(fail_beside_another, work, range(2)))


def test_worker_without_unetpipe(processes: DaskProcesses) -> None:
    client = processes.client
    address = client.scheduler.address
    lacking = next(iter(client.scheduler_info()["workers"]))
    client.run(exec, "import sys; sys.modules['unetpipe'] = None", workers=[lacking])
    said = rf"On 1 of 2 workers .*, such as {lacking}; install"
    with pytest.raises(InputError, match=said), cluster_processes(address):
        pass
    client.run(exec, "import sys; del sys.modules['unetpipe']", workers=[lacking])
    with cluster_processes(address) as known:
        assert known.workers == 2


def test_scheduler_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unetpipe.large.processes.SECONDS_TO_ANSWER", 1)
    with (
        pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9 cannot be reached"),
        cluster_processes("tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(InputError, match="cannot be reached"), cluster_processes("nonsense://"):
        pass
    with pytest.raises(InputError, match="at least 1"), local_processes(0):
        pass
