"""Score many settings at a time, in processes, where there are processor cores for it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Thing = TypeVar("Thing")
Result = TypeVar("Result")

FEWEST_CORES, MOST_PROCESSES = 4, 8


def in_processes(call: Callable[[Sequence[Thing]], list[Result]], things: Sequence[Thing]) -> list[Result]:
    """Return ``call(things)``, of which processes compute a part each.

    With fewer than four cores for this process, or where it cannot be forked, it is computed here: a new interpreter
    would take longer to start than the work does.

    Parameters
    ----------
    call : callable
        It can be sent to another process, takes a part of the things and returns a result for each.
    things : sequence
        What it is called with.

    Examples
    --------
    >>> in_processes(sorted, [1, 2, 3])
    [1, 2, 3]
    """
    count = min(processes(), len(things))
    if count < 2:
        return call(things)
    parts = [things[number::count] for number in range(count)]
    results: list[Result] = [None] * len(things)  # type: ignore[list-item]
    for number, part in enumerate(_pool(os.getpid()).map(call, parts)):
        results[number::count] = part
    return results


def processes() -> int:
    """Return how many processes share the work: one for each core but one, at most 8; 1 does it here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    cores //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's processes share them
    forks = "fork" in multiprocessing.get_all_start_methods() and not multiprocessing.current_process().daemon
    return min(cores - 1, MOST_PROCESSES) if forks and cores >= FEWEST_CORES else 1


@cache
def _pool(process: int) -> ProcessPoolExecutor:
    """Return the pool of this process; a process that was forked from it makes its own."""
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(processes(), context, initializer=torch.set_num_threads, initargs=(1,))
