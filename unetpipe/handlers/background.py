"""Read images and write results in threads, so that the network does not wait for them."""

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

    The arguments are those of ``monai.data.DataLoader``. A thread needs no shared memory, which worker processes do.
    Exceptions of the thread are raised in the loop; those of MONAI's ``ThreadDataLoader`` are not.
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
    """Handler of an evaluator: post-process and write each result in a thread while the network computes the next one.

    It replaces the ``postprocessing`` of the evaluator, for which the network would wait. An exception in a thread ends
    the run.

    Parameters
    ----------
    transform : callable
        Takes a decollated item with its "pred". It is called by several threads at a time.
    workers : int, optional
        Number of threads; by default one for every four processor cores, at most 8. Up to ``workers + 1`` results are
        in memory at a time.
    """

    def __init__(self, transform: Callable[[Any], Any], workers: int | None = None) -> None:
        self.transform = transform
        self.workers = workers or min(max((os.cpu_count() or 1) // CORES_A_WORKER, 1), MOST_WORKERS)

    def attach(self, engine: Engine) -> None:
        """Submit results after each iteration; the run is complete when all are written."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.submit)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self) -> None:
        """Start the threads."""
        self._pool = ThreadPoolExecutor(self.workers, "postprocess")
        self._pending: deque[Future] = deque()

    def submit(self, engine: Engine) -> None:
        """Give the results of the iteration to the threads; wait if too many are pending."""
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
        """Cancel what has not begun, and raise the error again."""
        self._pool.shutdown(cancel_futures=True)
        raise error
