"""Where blocks are computed: by threads of this process, or by Dask in other processes, on one machine or several."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import logging
import os
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import torch

from unetpipe.errors import InputError
from unetpipe.files import first_line
from unetpipe.large.work import Work
from unetpipe.memory import keep_freed_memory

Function = Callable[[Work, Any], None]
SECONDS_TO_ANSWER = 10
MESSAGE_SECONDS = 0.05  # longer than Dask keeps a message to send it with others
CORES_A_THREAD, MOST_THREADS = 4, 8


class Processes(Protocol):
    """Something that computes jobs.

    ``workers`` is the number of other processes that it uses, and ``threads`` that of the jobs that each process
    computes at a time.
    """

    workers: int
    threads: int

    def each(self, function: Function, work: Work, jobs: Sequence[Any]) -> Generator[None]:
        """Yield once for each job that is done."""


class ThisProcess:
    """Compute jobs in this process.

    Parameters
    ----------
    threads : int
        Jobs that are computed at a time, in any order. While the network computes one block on a GPU, the other threads
        read, post-process and write.
    """

    workers = 0

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def each(self, function: Function, work: Work, jobs: Sequence[Any]) -> Generator[None]:
        """Yield once for each job that is done."""
        if self.threads == 1:
            for job in jobs:
                function(work, job)
                yield
            return
        with ThreadPoolExecutor(self.threads, "block") as pool:
            futures = [pool.submit(function, work, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def threads_beside(device: torch.device) -> int:
    """Return how many blocks this process computes at a time, so that a GPU does not wait; 1 on a CPU.

    Examples
    --------
    >>> threads_beside(torch.device("cpu"))
    1
    """
    return 1 if device.type == "cpu" else min(max((os.cpu_count() or 1) // CORES_A_THREAD, 1), MOST_THREADS)


class DaskProcesses:
    """Compute jobs on the workers of a Dask cluster; if a worker is lost, another one repeats its jobs.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    local : bool
        Whether the workers are on this machine, and so would share its GPU.
    """

    threads = 1

    def __init__(self, client: Any, local: bool = False) -> None:
        self.client = client
        self.local = local
        self.workers = max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)

    def each(self, function: Function, work: Work, jobs: Sequence[Any]) -> Generator[None]:
        """Yield once for each job that is done."""
        from distributed import CancelledError, KilledWorker
        from distributed import as_completed as completed

        name = f"unetpipe-{uuid.uuid4().hex}"
        futures = self.client.map(functools.partial(_do, function, work), jobs, key=name, pure=False)
        try:
            for future in completed(futures, loop=self.client.loop):
                yield future.result()
                future.release()
        except KilledWorker as error:
            self._cancel(futures, name)
            raise InputError(
                "Several workers were lost while they computed the same tile; they may have run out of memory. Use "
                "fewer workers, or grant less by --memory for smaller tiles."
            ) from error
        except CancelledError as error:
            self._cancel(futures, name)
            raise InputError("The Dask scheduler was lost, or its jobs were cancelled; look at its output.") from error
        except BaseException as error:
            interrupted = not isinstance(error, Exception)  # then local workers are stopped with their cluster
            self._cancel(futures, name, wait=not (self.local and interrupted))
            raise

    def _cancel(self, futures: Sequence[Any], name: str, wait: bool = True) -> None:
        """Cancel jobs, and wait for those that run: a running job cannot be stopped and writes into the work folder."""
        self.client.cancel(futures, force=True)
        if wait and self.client.status == "running":
            with suppress(OSError):  # the scheduler was lost, and nobody knows any more what runs
                while any(str(key).startswith(name) for keys in self.client.processing().values() for key in keys):
                    time.sleep(MESSAGE_SECONDS)
                self.client.run(_until_none_runs, name, on_error="ignore")


@contextmanager
def local_processes(workers: int) -> Iterator[DaskProcesses]:
    """Start that many processes on this machine, which share its cores, and stop them at the end."""
    from distributed import Client, LocalCluster

    if workers < 1:
        raise InputError(f"--workers {workers} is not possible; use at least 1.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.ERROR,
            env={"OMP_NUM_THREADS": str(max(cores // workers, 1))},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield DaskProcesses(client, local=True)


@contextmanager
def cluster_processes(address: str) -> Iterator[DaskProcesses]:
    """Connect to the scheduler of a cluster that runs already; it keeps running afterwards.

    Raises
    ------
    InputError
        If it does not answer, has no worker, or a worker lacks unetpipe.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"The Dask scheduler {address} cannot be reached within {SECONDS_TO_ANSWER} seconds; start one with "
            f"dask scheduler, and name it like tcp://127.0.0.1:8786 ({first_line(error)})."
        ) from error
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise InputError(f"The Dask scheduler {address} has no worker; start some with dask worker {address}.")
        found = client.run(importlib.util.find_spec, "unetpipe", on_error="return")
        without = sorted(
            worker for worker, spec in found.items() if spec is None or getattr(spec, "origin", "") is None
        )
        if without:
            raise InputError(
                f"On {len(without)} of {len(found)} workers of the Dask scheduler {address} unetpipe is not installed, "
                f"such as {without[0]}; install it there, in the environment that runs dask worker."
            )
        yield DaskProcesses(client)


async def _until_none_runs(name: str, dask_worker: Any) -> None:
    await asyncio.sleep(MESSAGE_SECONDS)
    while any(str(key).startswith(name) for key in dask_worker.state.tasks):
        await asyncio.sleep(MESSAGE_SECONDS)


def _do(function: Function, work: Work, job: Any) -> None:
    quiet()
    keep_freed_memory()  # for the next block
    function(work, job)


def quiet() -> None:
    """Stop libraries from logging errors that they also raise; the user sees those as one sentence."""
    for name in ("asyncio", "tifffile"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
