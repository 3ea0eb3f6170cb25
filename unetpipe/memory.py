"""How much memory is free, and keeping what was allocated once."""

from __future__ import annotations

import ctypes
from pathlib import Path

import psutil
import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of the GNU C library's malloc.h
CONTROL_GROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int:
    """Return the bytes that can still be allocated on a CPU or GPU, within the limit of a container if there is one."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(psutil.virtual_memory().available, _left_in_container())


def keep_freed_memory() -> bool:
    """Let this process keep the main memory that it frees, up to its own peak, instead of giving it back at once.

    A feature map of a large tile takes more than what the C library keeps by itself. The operating system then
    has to clear new pages for every layer, which costs up to a third of the time of the network.

    Returns
    -------
    bool
        Whether the C library knows of it (glibc on Linux does); elsewhere nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


def _left_in_container() -> float:
    """Return what a Linux control group leaves, in bytes; infinity without a limit."""
    try:
        limit, used = ((CONTROL_GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return float("inf")
    return float("inf") if limit == "max" else max(int(limit) - int(used), 0)
