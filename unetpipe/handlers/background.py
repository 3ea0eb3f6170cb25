"""Read images and write results in threads and processes, so that the network does not wait for them."""

from __future__ import annotations

import logging
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.transforms import Compose

from unetpipe.processes import FEWEST_CORES, FreshProcesses, idle_cores

logger = logging.getLogger(__name__)

CORES_A_WORKER, MOST_WORKERS = 4, 8
MOST_IMAGES, MOST_PIXELS = 16, 2 * 2**20  # of a batch
FEWEST_IMAGES = 500  # fewer are done by threads before processes have started


class ReadAheadLoader(DataLoader):
    """A data loader whose threads read the next images while the network computes.

    The arguments are those of ``monai.data.DataLoader``. A thread needs no shared memory, which worker processes do.
    Exceptions of a thread are raised in the loop; those of MONAI's ``ThreadDataLoader`` are not.

    Parameters
    ----------
    dataset : Dataset
        Images, and how they are read.
    batch_size : int, optional
        Images in a row that are given to the network at once, if they are equal in size. None is one on a CPU, where
        more gain nothing, and on a GPU as many as have 2 million pixels together, at most 16.
    device : torch.device
        Where the network computes.
    **arguments
        Further arguments of ``monai.data.DataLoader``.
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, device: torch.device | str = "cpu", **arguments: Any
    ) -> None:
        on_gpu = torch.device(device).type != "cpu"
        self.most = (MOST_IMAGES if on_gpu else 1) if batch_size is None else batch_size
        self.by_pixels = batch_size is None
        self.readers = min(max((os.cpu_count() or 1) // CORES_A_WORKER, 1), MOST_WORKERS) if on_gpu else 1
        super().__init__(dataset, batch_size=self.most, **arguments)

    def __len__(self) -> int:
        """Return the number of images: how many batches they make is known only when they are read."""
        return len(self.dataset)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches in their order."""
        batch: list[Any] = []
        for item in self._items():
            if batch and not self._fits(batch, item):
                yield self.collate_fn(batch)
                batch = []
            batch.append(item)
            if len(batch) == self.most:
                yield self.collate_fn(batch)
                batch = []
        if batch:
            yield self.collate_fn(batch)

    def _items(self) -> Iterator[Any]:
        """Yield the items in their order; threads read the next ones."""
        with ThreadPoolExecutor(self.readers, "read") as pool:
            coming: deque[Future] = deque()
            try:
                for index in self.sampler:
                    coming.append(pool.submit(self.dataset.__getitem__, index))
                    if len(coming) > self.readers:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for future in coming:
                    future.cancel()

    def _fits(self, batch: list[Any], item: Any) -> bool:
        """Return whether another item can be in the batch too."""
        if batch[0]["image"].shape != item["image"].shape:
            return False
        pixels = (len(batch) + 1) * math.prod(item["image"].shape[-2:])
        return not self.by_pixels or pixels <= MOST_PIXELS


class BackgroundPostprocessing:
    """Handler of an evaluator: post-process and write each result in a thread while the network computes the next one.

    It replaces the ``postprocessing`` of the evaluator, for which the network would wait. An exception in a thread ends
    the run. It also tells the engine how many batches the images of a :class:`ReadAheadLoader` make.

    The threads share one interpreter, which many images a second of a GPU would wait for. So where a GPU computes at
    least 500 images and cores are idle, processes compute those parts of the transform that can be computed elsewhere
    (:class:`unetpipe.instances.InstancesFromProbabilityd`, :class:`unetpipe.transforms.SaveMasksd`). The results are
    the same. Processes that have begun stay for the next run of the engine.

    Parameters
    ----------
    transform : callable
        Takes a decollated item with its "pred". It is called by several threads at a time.
    workers : int, optional
        Number of threads; by default one for every four processor cores, at most 8; with a GPU as many as processes.
        Up to ``workers + 1`` results are in memory at a time.
    processes : int, optional
        Number of processes; 0 starts none. By default one for each idle core if there is a GPU and there are many
        images, at most 8.
    """

    def __init__(
        self, transform: Callable[[Any], Any], workers: int | None = None, processes: int | None = None
    ) -> None:
        self.transform = transform
        self.workers = workers
        self.processes = processes
        self._elsewhere: FreshProcesses | None = None

    def attach(self, engine: Engine) -> None:
        """Submit results after each iteration; the run is complete when all are written."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.submit)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self, engine: Engine) -> None:
        """Start the threads, and the processes if they are worth it."""
        loader: Any = engine.state.dataloader
        by_image = isinstance(loader, ReadAheadLoader)
        if by_image:
            engine.state.epoch_length = len(loader)
        device = getattr(engine.state, "device", None) or torch.device("cpu")
        idle = idle_cores(torch.device(device), loader.readers if by_image else 0)
        few = min(max((os.cpu_count() or 1) // CORES_A_WORKER, 1), MOST_WORKERS)
        self._threads = self.workers or max(few, idle)
        many = by_image and len(loader) >= FEWEST_IMAGES and idle >= FEWEST_CORES - 1
        self._pool = ThreadPoolExecutor(self._threads, "postprocess")
        self._pending: deque[Future] = deque()
        self._start_processes(self.processes if self.processes is not None else idle if many else 0)

    def _start_processes(self, count: int) -> None:
        """Start that many processes, unless they are there from an earlier run; without them threads do all."""
        parts = [part for part in _parts(self.transform) if hasattr(part, "elsewhere")]
        if count and parts and self._elsewhere is None:
            try:
                self._elsewhere = FreshProcesses(count)
            except (OSError, RuntimeError) as error:  # no memory, no threads, or a process that ended at once
                logger.info(
                    "Threads of this process cut and write all images, because no other process can start: %s", error
                )
        for part in parts:
            part.elsewhere = self._elsewhere.call if self._elsewhere is not None else None

    def submit(self, engine: Engine) -> None:
        """Give the results of the iteration to the threads; wait if too many are pending."""
        if isinstance(engine.state.dataloader, ReadAheadLoader):  # whose length is the number of images
            engine.state.epoch_length -= len(engine.state.output) - 1  # type: ignore[operator,arg-type]
        for item in engine.state.output:  # type: ignore[union-attr]
            self._pending.append(self._pool.submit(self.transform, item))
            while len(self._pending) > self._threads:
                self._pending.popleft().result()

    def finish(self) -> None:
        """Wait for the last results; processes that have not begun by then would only keep the program from ending."""
        while self._pending:
            self._pending.popleft().result()
        self._pool.shutdown()
        if self._elsewhere is not None and not self._elsewhere.all_begun:
            self._end_processes()

    def fail(self, error: Exception) -> None:
        """Cancel what has not begun, and raise the error again."""
        self._pool.shutdown(cancel_futures=True)
        self._end_processes()
        raise error

    def _end_processes(self) -> None:
        if self._elsewhere is not None:
            self._elsewhere.close()
            self._elsewhere = None
            self._start_processes(0)  # the transforms do not call them any more


def _parts(transform: Any) -> list[Any]:
    """Return the transforms of which a transform is composed; itself, if it is none."""
    return (
        [part for one in transform.transforms for part in _parts(one)]
        if isinstance(transform, Compose)
        else [transform]
    )
