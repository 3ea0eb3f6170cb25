"""Compute in processes, where there are processor cores for it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import resource_tracker
from threading import Lock, Thread
from types import ModuleType
from typing import Any, TypeVar

import torch

from unetpipe.errors import InputError

Thing = TypeVar("Thing")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

FEWEST_CORES, MOST_PROCESSES = 4, 8
LOST = (
    "A process that scores the validation frames has ended, perhaps because memory ran out; with "
    "validation_processes=0 the training scores them itself."
)


def in_processes(call: Callable[[Sequence[Thing]], list[Result]], things: Sequence[Thing]) -> list[Result]:
    """Return ``call(things)``, of which processes compute a part each.

    With fewer than four cores for this process, or where it cannot be forked, it is computed here: a new interpreter
    would take longer to start than the work does. A process that uses an NVIDIA GPU cannot be forked.

    Parameters
    ----------
    call : callable
        It can be sent to another process, takes a part of the things and returns a result for each.
    things : sequence
        What it is called with.

    Raises
    ------
    InputError
        If a process is killed.

    Examples
    --------
    >>> in_processes(sorted, [1, 2, 3])
    [1, 2, 3]
    """
    count = processes()
    if min(count, len(things)) < 2:
        return call(things)
    return _shared(_pool(os.getpid()), count, call, things)()


def processes() -> int:
    """Return how many processes share the work: one for each core but one, at most 8; 1 does it here."""
    forks = "fork" in multiprocessing.get_all_start_methods() and not multiprocessing.current_process().daemon
    usable = forks and not torch.cuda.is_initialized() and _cores() >= FEWEST_CORES
    return min(_cores() - 1, MOST_PROCESSES) if usable else 1


class FreshProcesses:
    """Processes that compute while this one does something else.

    Each begins as a new interpreter, so this process may use a GPU. They end with this process, even if it is killed.

    Parameters
    ----------
    count : int
        Number of processes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        context = _Context()
        self._begun = context.Value("i", 0)
        self._busy, self._lost, self._lock = 0, False, Lock()
        self._pool = ProcessPoolExecutor(count, context, initializer=_begin_counted, initargs=(self._begun,))
        for _ in range(count):
            self._pool.submit(os.getpid)  # they import what they need meanwhile

    @property
    def all_begun(self) -> bool:
        """Whether all have imported what they need, which takes seconds."""
        return self._begun.value == self.count

    def start(self, call: Callable[[Sequence[Thing]], list[Result]], things: Sequence[Thing]) -> Callable[[], list]:
        """Let the processes compute ``call(things)``, a part each, and return what waits for it and returns it.

        Raises
        ------
        InputError
            Here or there, if a process is killed.
        """
        return _shared(self._pool, self.count, call, things)

    def call(self, function: Callable[..., Result], *given: Any) -> Result:
        """Return ``function(*given)``. One of the processes computes it, while the thread that calls waits.

        Threads may call at the same time. A process takes seconds to begin: until all have begun, this one computes
        what they have no time for. It computes all if a process is killed; the log says so.
        """
        with self._lock:
            there = not self._lost and (self.all_begun or self._busy < self._begun.value)
            self._busy += there
        if not there:
            return function(*given)
        try:
            return self._pool.submit(function, *given).result()
        except BrokenProcessPool:
            self._lose()
            return function(*given)
        finally:
            with self._lock:
                self._busy -= 1

    def _lose(self) -> None:
        with self._lock:
            if not self._lost:
                logger.warning("A process has ended, perhaps because memory ran out; its work continues in threads.")
            self._lost = True

    def close(self) -> None:
        """Let them end; what has not begun is not computed."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        if not self.all_begun:  # the program would wait for seconds, until they have imported everything
            for process in processes:
                process.terminate()


def idle_cores(device: torch.device, workers: int) -> int:
    """Return how many processes may compute in addition to this one.

    Parameters
    ----------
    device : torch.device
        Where the network computes. A CPU has no idle cores.
    workers : int
        Processes or threads that are busy anyway, such as those that make batches.

    Examples
    --------
    >>> idle_cores(torch.device("cpu"), workers=2)
    0
    """
    daemon = multiprocessing.current_process().daemon  # it may not start processes
    return 0 if device.type == "cpu" or daemon else max(min(_cores() - 1 - workers, MOST_PROCESSES), 0)


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's processes share them


def _shared(
    pool: Executor, count: int, call: Callable[[Sequence[Thing]], list[Result]], things: Sequence[Thing]
) -> Callable[[], list[Result]]:
    """Let a pool compute ``call(things)`` in parts; return what waits for all and puts the results in order."""
    parts = min(count, len(things))
    try:
        futures = [pool.submit(call, things[number::parts]) for number in range(parts)]
    except BrokenProcessPool:
        raise InputError(LOST) from None

    def results() -> list[Result]:
        found: list[Any] = [None] * len(things)
        for number, future in enumerate(futures):
            found[number::parts] = _result(future)
        return found

    return results


def _result(future: Future) -> Any:
    try:
        return future.result()
    except BrokenProcessPool:
        raise InputError(LOST) from None


@cache
def _pool(process: int) -> ProcessPoolExecutor:
    """Return the pool of this process; a process that was forked from it makes its own."""
    return ProcessPoolExecutor(processes(), multiprocessing.get_context("fork"), initializer=_begin)


def _begin() -> None:
    """Begin a process: it computes on one core, leaves Ctrl-C to its parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _begin_counted(begun: Any) -> None:
    """Begin a process, and say so."""
    _begin()
    with begun.get_lock():
        begun.value += 1


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Start processes that leave Ctrl-C to their parent from the beginning, not only when they have imported all."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its start would end the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Process(multiprocessing.get_context("spawn").Process):  # type: ignore[name-defined,misc]
    def start(self) -> None:
        """Start without the program's main file, which would run again if it lacks ``if __name__ == "__main__"``."""
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            with _without_interrupt():
                super().start()
        finally:
            sys.modules["__main__"] = main


class _Context(type(multiprocessing.get_context("spawn"))):  # type: ignore[misc]
    Process = _Process
