"""Training and evaluation in several processes, one a GPU (or two on a CPU), started by ``torchrun``.

Every function does the plain thing where there is one process, so the same config runs without ``torchrun``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import RandomSampler, Sampler

from unetpipe.datasets.records import Record
from unetpipe.device import default_device
from unetpipe.errors import InputError

PATIENCE = timedelta(minutes=30)  # one process validates or writes longer than another


def join_processes() -> None:
    """Join the processes that ``torchrun`` started: NCCL between GPUs, else Gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise InputError(
                f"torchrun started process {local} for {torch.cuda.device_count()} GPU(s); start one for each GPU."
            )
        torch.cuda.set_device(local)
        backend = "nccl"
    dist.init_process_group(backend, timeout=PATIENCE)


def leave_processes() -> None:
    """Leave them at the end."""
    if dist.is_initialized():
        dist.barrier()  # Gloo's threads give back their last tensors while they can still have Python's lock
        dist.destroy_process_group()


def rank() -> int:
    """Return this process's number, 0 … processes − 1."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def device() -> torch.device:
    """Return this process's device; several processes without NVIDIA's GPUs use the CPU, for Gloo cannot use MPS."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return default_device() if processes() == 1 else torch.device("cpu")


def synchronised(network: nn.Module) -> nn.Module:
    """Let batch normalisation take its statistics over all processes; PyTorch can do so only on GPUs."""
    if processes() > 1 and device().type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return network


def parallel(network: nn.Module) -> nn.Module:
    """Return the network whose gradients are the mean over the processes."""
    if processes() == 1:
        return network
    place = [device()] if device().type == "cuda" else None
    return DistributedDataParallel(network, device_ids=place)


def share(records: Sequence[Record]) -> list[Record]:
    """Return this process's records: those of every n-th file; all of them where there are fewer files than processes.

    Means over the records of all processes are then the same as over all records.
    """
    files = list(dict.fromkeys(str(record["image"]) for record in records))
    if len(files) < processes():
        return list(records)
    own = set(files[rank() :: processes()])
    return [record for record in records if str(record["image"]) in own]


def share_files(records: Sequence[Record]) -> list[Record]:
    """Return this process's records; pages of one file stay together, for their masks are one file too.

    Raises
    ------
    InputError
        If there are fewer files than processes.
    """
    files = len({str(record["image"]) for record in records})
    if files < processes():
        raise InputError(f"There are {processes()} processes for {files} image file(s); start fewer.")
    return share(records)


def gathered(items: Sequence[Any]) -> list[Any]:
    """Return the items of all processes, in the order of their numbers."""
    if processes() == 1:
        return list(items)
    parts: list[Any] = [None] * processes()
    dist.all_gather_object(parts, list(items))
    return [item for part in parts for item in part]


class ShareOfSamples(Sampler[int]):
    """Samples of an epoch for this process: every n-th of those that one process with n times the batch would draw.

    Parameters
    ----------
    dataset : Dataset
        What is drawn from.
    num_samples : int
        Samples a process and epoch.
    seed : int
        Of the run; with the epoch's number it decides the order.
    """

    def __init__(self, dataset: Any, num_samples: int, seed: int) -> None:
        self.dataset = dataset
        self.num_samples = num_samples
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**31)
        order = RandomSampler(self.dataset, num_samples=self.num_samples * processes(), generator=generator)
        return islice(iter(order), rank(), None, processes())

    def __len__(self) -> int:
        return self.num_samples
