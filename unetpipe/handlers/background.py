"""Inference in which the network does not wait for reading and writing."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ignite.engine import Engine, Events
from monai.data import DataLoader

CORES_A_WORKER, MOST_WORKERS = 4, 8


class ReadAheadLoader(DataLoader):
    """A data loader whose thread reads the next batch while the current one is computed.

    The arguments are those of ``monai.data.DataLoader``. Unlike worker processes a thread needs no shared memory;
    unlike MONAI's ``ThreadDataLoader`` it passes on what goes wrong.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches in their order."""
        batches = super().__iter__()
        with ThreadPoolExecutor(1, "read") as reader:
            coming = reader.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = reader.submit(next, batches, None)
                yield batch


class BackgroundPostprocessing:
    """Handler of an evaluator: transform (and so write) each result in threads, while the next is computed.

    It takes the place of the evaluator's own ``postprocessing``, which the network would wait for. What goes wrong
    in a thread ends the run.

    Parameters
    ----------
    transform : callable
        Takes a decollated item with its "pred". It is called by several threads at a time.
    workers : int, optional
        Threads; by default one for every four processor cores, 8 at most. One more result than that is held.
    """

    def __init__(self, transform: Callable[[Any], Any], workers: int | None = None) -> None:
        self.transform = transform
        self.workers = workers or min(max((os.cpu_count() or 1) // CORES_A_WORKER, 1), MOST_WORKERS)

    def attach(self, engine: Engine) -> None:
        """Begin after each iteration; the run is complete when everything is."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.submit)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self) -> None:
        """Open the threads."""
        self._pool = ThreadPoolExecutor(self.workers, "postprocess")
        self._pending: deque[Future] = deque()

    def submit(self, engine: Engine) -> None:
        """Hand the iteration's results to the threads; wait if they are behind."""
        for item in engine.state.output:  # type: ignore[union-attr]
            self._pending.append(self._pool.submit(self.transform, item))
            while len(self._pending) > self.workers:
                self._pending.popleft().result()

    def finish(self) -> None:
        """Wait for the last results."""
        while self._pending:
            self._pending.popleft().result()
        self._pool.shutdown()

    def fail(self, error: Exception) -> None:
        """Let go of what has not begun, and raise the error on."""
        self._pool.shutdown(cancel_futures=True)
        raise error
