"""Batches of training tiles that are made where the network computes, from frames that stay there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from threading import Thread
from typing import Any

import torch
from monai.data import DataLoader
from torch import Tensor
from torch.utils.data import DataLoader as PlainLoader
from torch.utils.data import Dataset, RandomSampler, Sampler
from tqdm import tqdm

from unetpipe.errors import InputError
from unetpipe.memory import free_memory
from unetpipe.training.frames import FrameDataset
from unetpipe.transforms import apply_to_batch

logger = logging.getLogger(__name__)

SHARE = 0.4  # of the free memory that frames may take; the network needs the rest
MADE_AGAIN = 48  # frames at most whose cells are pasted again for an epoch


def training_loader(
    dataset: FrameDataset,
    transforms: Sequence[Any],
    batch_size: int = 1,
    sampler: Sampler[int] | None = None,
    num_workers: int = 0,
    device: torch.device | str = "cpu",
    device_batches: bool | None = None,
    seed: int = 0,
    progress: bool = False,
    **of_the_host: Any,
) -> DataLoader | DeviceBatches:
    """Return what gives the batches of a training: made on the device, or by processes on the CPU.

    Parameters
    ----------
    dataset : FrameDataset
        The frames, with the whole chain of transforms.
    transforms : sequence of transform
        The random transforms, with which the chain ends. Those that take batches are applied to whole batches on the
        device; any other transform of MONAI to one sample after another.
    batch_size : int
        Tiles in a step.
    sampler : Sampler, optional
        Draws the frames; by default each frame once, in random order.
    num_workers : int
        Processes that make samples on the CPU, or paste cells for the device.
    device : torch.device
        Where the network computes.
    device_batches : bool, optional
        Whether batches are made on the device. None does so on an NVIDIA GPU if the frames fit into 40 % of its free
        memory; the log says which of the two it is.
    seed : int
        Of the run.
    progress : bool
        Show a bar while frames are brought to the device.
    **of_the_host
        Further arguments of ``monai.data.DataLoader``, where batches are made on the CPU.

    Raises
    ------
    InputError
        If ``device_batches`` is true and the chain does not end with ``transforms``, or the frames do not fit.
    """
    device = torch.device(device)
    if device_batches or (device_batches is None and device.type == "cuda"):
        why_not = _unsuitable(dataset, transforms)
        if why_not is None:
            batches = DeviceBatches(dataset, transforms, batch_size, sampler, num_workers, device, seed, progress)
            why_not = batches.fill()
            if why_not is None:
                return batches
        if device_batches:
            raise InputError(f"Batches cannot be made on the device: {why_not}; set device_batches=false.")
        logger.info("Batches are made on the CPU by %d processes, because %s", num_workers, why_not)
    shuffle = sampler is None
    return DataLoader(
        dataset, batch_size=batch_size, sampler=sampler, shuffle=shuffle, num_workers=num_workers, **of_the_host
    )


def _unsuitable(dataset: Any, transforms: Sequence[Any]) -> str | None:
    if not isinstance(dataset, FrameDataset):
        return f"train#dataset is a {type(dataset).__name__}, not a FrameDataset"
    ends = dataset.transform.transforms[len(dataset.transform.transforms) - len(transforms) :]
    if len(ends) != len(transforms) or any(one is not other for one, other in zip(ends, transforms, strict=True)):
        return "train#preprocessing does not end with the transforms of train#random_transforms"
    return None


class DeviceBatches:
    """A loader whose frames stay on the device, and whose tiles are drawn and deformed there, a batch at a time.

    It draws from the random generators of the transforms and of PyTorch in this process, so the batches of an epoch
    depend only on how these are seeded before it (:class:`unetpipe.handlers.SeedEachEpoch`).

    Where the chain has random transforms of whole frames, such as pasted cells, they are not applied for each sample.
    There is one version of each frame; at most 48 are made again for each epoch, in the background during the epoch
    before. Which ones, and their seeds, depend only on the seed of the run and the number of the epoch.

    Parameters
    ----------
    dataset, transforms, batch_size, sampler, num_workers, device, seed, progress
        See :func:`training_loader`.
    """

    def __init__(
        self,
        dataset: FrameDataset,
        transforms: Sequence[Any],
        batch_size: int,
        sampler: Sampler[int] | None,
        num_workers: int,
        device: torch.device,
        seed: int,
        progress: bool = False,
    ) -> None:
        self.dataset = dataset
        self.transforms = list(transforms)
        self.batch_size = batch_size
        self.sampler: Any = RandomSampler(dataset) if sampler is None else sampler
        self.num_workers = num_workers
        self.device = device
        self.seed = seed
        self.progress = progress
        self.stop = len(dataset.transform.transforms) - len(self.transforms)
        first = dataset.first_random
        self.varies = first is not None and first < self.stop
        self.set_epoch(0)
        self.frames: list[dict[str, Tensor]] = []
        # while a GPU computes a step, the next batch is made; on a CPU the two would only share its cores
        self.ahead = device.type == "cuda"
        self._holds = -1  # the epoch whose versions of the frames are on the device
        self._coming: tuple[int, _Beside] | None = None

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.sampler) // self.batch_size)

    def fill(self) -> str | None:
        """Bring the frames to the device; return why not, if they do not fit."""
        first = self.dataset.frame(0, self.stop, self.seed)
        needed = len(self.dataset) * sum(value.nbytes for value in first.values())
        free = free_memory(self.device)
        if needed > SHARE * free:
            return f"the training frames take {needed / 2**30:.1f} GB, and only {free / 2**30:.1f} GB are free"
        if not self.varies:
            numbers = tqdm(range(len(self.dataset)), desc="Frames to the device", disable=not self.progress)
            self.frames = [self._kept(self.dataset.frame(number, self.stop, self.seed)) for number in numbers]
            self.dataset.release()
        logger.info("Batches are made on %s, from %d frames (%.2f GB)", self.device, len(self.dataset), needed / 2**30)
        return None

    def set_epoch(self, epoch: int, epochs: int | None = None) -> None:
        """Say which epoch comes, 1 is the first, and how many there are; after the last one nothing is made."""
        self.epoch, self.epochs = epoch, epochs

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield the batches of an epoch: tensors (B, C, H, W) on the device."""
        if self.varies:
            self._vary()
        chosen = list(self.sampler)
        parts = [chosen[start : start + self.batch_size] for start in range(0, len(chosen), self.batch_size)]
        if not self.ahead or not parts:
            yield from map(self._batch, parts)
            return
        coming = _Beside(partial(self._batch, parts[0]))
        for following in [*parts[1:], None]:
            batch = coming.result()
            if following is not None:
                coming = _Beside(partial(self._batch, following))
            yield batch

    def _batch(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        return apply_to_batch(self.transforms, [self.frames[number] for number in numbers])

    def _vary(self) -> None:
        """Put this epoch's versions of the frames on the device, and let those of the next one be made."""
        if self._holds != self.epoch:
            if self._coming is not None and self._coming[0] == self.epoch and self._holds == self.epoch - 1:
                made = self._coming[1].result()
            else:  # the first epoch of this run; a resumed run begins at a later one
                made = self._make(range(len(self.dataset)), self.epoch, self.progress)
                self.frames = [{} for _ in range(len(self.dataset))]
            for number, frame in made:
                self.frames[number] = self._kept(frame)
            self._holds = self.epoch
        if self.epoch != self.epochs and (self._coming is None or self._coming[0] != self.epoch + 1):
            numbers = [number for number in range(len(self.dataset)) if self._born(number, self.epoch + 1) > self.epoch]
            self._coming = self.epoch + 1, _Beside(partial(self._make, numbers, self.epoch + 1))

    def _born(self, number: int, epoch: int) -> int:
        """Return the epoch for which the version of a frame was made that is used in an epoch."""
        rounds = -(-len(self.dataset) // MADE_AGAIN)
        return epoch - (epoch - number) % rounds

    def _make(self, numbers: Iterable[int], epoch: int, progress: bool = False) -> list[tuple[int, dict[str, Tensor]]]:
        """Make the versions of some frames that are used in an epoch."""
        seeds = {number: (self.seed * 1_000_003 + self._born(number, epoch) * 7_919 + number) for number in numbers}
        versions = _Versions(self.dataset, self.stop, [(number, seed % 2**31) for number, seed in seeds.items()])
        loader = PlainLoader(
            versions, batch_size=None, num_workers=self.num_workers, generator=torch.Generator().manual_seed(0)
        )
        return list(tqdm(loader, desc="Pasted cells", disable=not progress))

    def _kept(self, frame: dict[str, Tensor]) -> dict[str, Tensor]:
        kept = {key: value.to(self.device) for key, value in frame.items()}
        for transform in self.transforms:
            if hasattr(transform, "learn"):  # now, because a step that asks the device would wait for it
                transform.learn(kept)
        return kept


class _Beside(Thread):
    """A call in a thread. A pool's thread would not do: processes that it forks cannot end well."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.call = call
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Call."""
        try:
            self.value = self.call()
        except BaseException as error:  # raised where the value is asked for
            self.error = error

    def result(self) -> Any:
        """Wait for the value and return it."""
        self.join()
        if self.error is not None:
            raise self.error
        return self.value


class _Versions(Dataset):
    """Frames with their random transforms applied, for worker processes; (number, seed) for each."""

    def __init__(self, dataset: FrameDataset, stop: int, numbered: Sequence[tuple[int, int]]) -> None:
        self.dataset = dataset
        self.stop = stop
        self.numbered = numbered

    def __len__(self) -> int:
        return len(self.numbered)

    def __getitem__(self, place: int) -> tuple[int, dict[str, Tensor]]:
        number, seed = self.numbered[place]
        return number, self.dataset.frame(number, self.stop, seed)
